# What arrivage may do: read objects, never write, move or delete one; take messages from the queue.
data "aws_iam_policy_document" "arrivage" {
  statement {
    sid       = "ReadObjects"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = ["${aws_s3_bucket.drop.arn}/${var.prefix}*"]
  }

  # Listings, and that an object which is gone is answered with 404 instead of 403.
  statement {
    sid       = "ListTheBucket"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.drop.arn]
  }

  # `arrivage check` looks at it.
  statement {
    sid       = "SeeTheNotification"
    actions   = ["s3:GetBucketNotification"]
    resources = [aws_s3_bucket.drop.arn]
  }

  statement {
    sid = "TakeMessages"
    actions = [
      "sqs:ReceiveMessage",
      "sqs:DeleteMessage",
      "sqs:GetQueueAttributes",
    ]
    resources = [aws_sqs_queue.notifications.arn]
  }
}

resource "aws_iam_policy" "arrivage" {
  name   = var.name
  policy = data.aws_iam_policy_document.arrivage.json
  tags   = var.tags
}

# What KEDA may do to scale the watcher: count messages.
data "aws_iam_policy_document" "keda" {
  statement {
    actions   = ["sqs:GetQueueAttributes"]
    resources = [aws_sqs_queue.notifications.arn]
  }
}

resource "aws_iam_policy" "keda" {
  name   = "${var.name}-keda"
  policy = data.aws_iam_policy_document.keda.json
  tags   = var.tags
}

# The role that the pods of the ServiceAccount take on.
resource "aws_iam_role" "arrivage" {
  count              = var.oidc_provider_arn == null ? 0 : 1
  name               = var.name
  assume_role_policy = data.aws_iam_policy_document.pods[0].json
  tags               = var.tags
}

resource "aws_iam_role_policy_attachment" "arrivage" {
  count      = var.oidc_provider_arn == null ? 0 : 1
  role       = aws_iam_role.arrivage[0].name
  policy_arn = aws_iam_policy.arrivage.arn
}

locals {
  # arn:aws:iam::ACCOUNT:oidc-provider/ISSUER
  issuer = var.oidc_provider_arn == null ? "" : split("oidc-provider/", var.oidc_provider_arn)[1]
}

data "aws_iam_policy_document" "pods" {
  count = var.oidc_provider_arn == null ? 0 : 1

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [var.oidc_provider_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:sub"
      values   = ["system:serviceaccount:${var.namespace}:${var.service_account}"]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:aud"
      values   = ["sts.amazonaws.com"]
    }
  }
}
