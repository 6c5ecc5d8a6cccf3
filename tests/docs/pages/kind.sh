a_front
