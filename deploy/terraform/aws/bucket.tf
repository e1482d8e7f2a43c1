resource "aws_s3_bucket" "drop" {
  bucket = var.bucket
  tags   = var.tags
}

# A version pins what is read: an object that is overwritten meanwhile is two arrivals, each whole.
resource "aws_s3_bucket_versioning" "drop" {
  bucket = aws_s3_bucket.drop.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "drop" {
  bucket = aws_s3_bucket.drop.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "drop" {
  bucket                  = aws_s3_bucket.drop.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

# Parts of uploads that were never completed are nowhere to be seen, and are paid for.
resource "aws_s3_bucket_lifecycle_configuration" "drop" {
  bucket = aws_s3_bucket.drop.id

  rule {
    id     = "abandoned-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}

resource "aws_s3_bucket_policy" "drop" {
  bucket     = aws_s3_bucket.drop.id
  policy     = data.aws_iam_policy_document.drop.json
  depends_on = [aws_s3_bucket_public_access_block.drop]
}

data "aws_iam_policy_document" "drop" {
  statement {
    sid       = "EncryptedConnectionsOnly"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.drop.arn, "${aws_s3_bucket.drop.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

# Put, Post, Copy and CompleteMultipartUpload: a large file comes as the last of them.
resource "aws_s3_bucket_notification" "drop" {
  bucket = aws_s3_bucket.drop.id

  queue {
    id            = "arrivage"
    queue_arn     = aws_sqs_queue.notifications.arn
    events        = ["s3:ObjectCreated:*"]
    filter_prefix = var.prefix
  }

  # S3 sends a test message, and refuses a queue that does not take it.
  depends_on = [aws_sqs_queue_policy.notifications]
}
