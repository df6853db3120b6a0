"""Objects: buckets in a folder, or in S3 and Google Cloud Storage."""
