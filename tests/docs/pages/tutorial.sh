# In a clone.
cd "$PROJECT"
