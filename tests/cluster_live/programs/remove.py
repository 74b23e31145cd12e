"""``remove.py URL``: remove everything below a URL."""

import sys

from coterie.workflow.remote import forget

if __name__ == "__main__":
    forget(sys.argv[1])
    print(f"{sys.argv[1]} is gone")
