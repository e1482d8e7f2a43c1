output "queue_url" {
  description = "source.queue_url of arrivage.toml; keda.watch.queueUrl of the chart."
  value       = aws_sqs_queue.notifications.id
}

output "dead_letter_queue_url" {
  description = "To watch: a message in it is a notification that the ledger never took."
  value       = aws_sqs_queue.dead.id
}

output "bucket" {
  description = "Where files are dropped."
  value       = aws_s3_bucket.drop.id
}

output "policy_arn" {
  description = "What arrivage may do, for a role of your own."
  value       = aws_iam_policy.arrivage.arn
}

output "keda_policy_arn" {
  description = "What KEDA's operator may do."
  value       = aws_iam_policy.keda.arn
}

output "role_arn" {
  description = "serviceAccount.annotations.\"eks.amazonaws.com/role-arn\" of the chart."
  value       = one(aws_iam_role.arrivage[*].arn)
}
