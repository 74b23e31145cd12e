"""What happens before the app starts: checks, HAProxy, the environment of Ray."""
