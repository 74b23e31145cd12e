"""What the app answers over HTTP: routes, their guard, their problems, and the pages."""
