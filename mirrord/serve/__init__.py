"""What readers get: the embedded server and the nginx configuration."""
