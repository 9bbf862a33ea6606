"""Product stores: a folder, or a bucket that speaks S3. It may import `files`."""
