"""What people read, in their language: whole sentences out of gettext catalogues."""
