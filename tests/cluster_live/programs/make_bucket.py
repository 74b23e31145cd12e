"""``make_bucket.py BUCKET``: make a bucket, where it is missing."""

import sys

from coterie.data.stores import open_store

if __name__ == "__main__":
    fs, bucket = open_store(f"s3://{sys.argv[1]}")
    if not fs.exists(bucket):
        fs.makedirs(bucket, exist_ok=True)
    print(f"s3://{bucket} is there")
