#!/usr/bin/env bash
# Makes what arrivage needs to hear of new objects: a bucket, a queue, a dead-letter queue, and the
# bucket's notification to the queue. May be run again; it then brings everything up to date.
#
# Runs inside LocalStack (compose.yaml mounts it there), or by hand against any endpoint:
#   AWS_ENDPOINT_URL=http://127.0.0.1:4566 localstack/init.sh
# ARRIVAGE_BUCKET and ARRIVAGE_QUEUE name other things than `drop`.
set -euo pipefail

bucket=${ARRIVAGE_BUCKET:-drop}
queue=${ARRIVAGE_QUEUE:-drop}
region=${AWS_REGION:-${AWS_DEFAULT_REGION:-us-east-1}}

if [[ -z ${AWS_ENDPOINT_URL:-} ]] && command -v awslocal > /dev/null; then
  aws=(awslocal)
else
  # As an argument, for version 1 of the CLI overrides the environment's endpoint for SQS.
  aws=(aws --endpoint-url "${AWS_ENDPOINT_URL:-http://127.0.0.1:4566}")
fi
aws+=(--region "$region" --output text)

# An emulator takes any key, but the CLI wants one.
if [[ -z ${AWS_ACCESS_KEY_ID:-} && -z ${AWS_PROFILE:-} ]]; then
  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
fi

# .../ACCOUNT/NAME -> arn:aws:sqs:REGION:ACCOUNT:NAME
arn_of() {
  local account=${1%/*}
  echo "arn:aws:sqs:$region:${account##*/}:${1##*/}"
}

# A JSON text within JSON.
quoted() {
  local text=${1//\\/\\\\}
  echo "\"${text//\"/\\\"}\""
}

if ! "${aws[@]}" s3api head-bucket --bucket "$bucket" > /dev/null 2>&1; then
  where=()
  if [[ $region != us-east-1 ]]; then
    where=(--create-bucket-configuration "LocationConstraint=$region")
  fi
  "${aws[@]}" s3api create-bucket --bucket "$bucket" ${where[@]+"${where[@]}"} > /dev/null
fi

dead_url=$("${aws[@]}" sqs create-queue --queue-name "$queue-dead" --query QueueUrl)
queue_url=$("${aws[@]}" sqs create-queue --queue-name "$queue" --query QueueUrl)
queue_arn=$(arn_of "$queue_url")

redrive="{\"deadLetterTargetArn\": \"$(arn_of "$dead_url")\", \"maxReceiveCount\": \"5\"}"
policy="{
  \"Version\": \"2012-10-17\",
  \"Statement\": [{
    \"Effect\": \"Allow\",
    \"Principal\": {\"Service\": \"s3.amazonaws.com\"},
    \"Action\": \"sqs:SendMessage\",
    \"Resource\": \"$queue_arn\",
    \"Condition\": {\"ArnLike\": {\"aws:SourceArn\": \"arn:aws:s3:::$bucket\"}}
  }]
}"
"${aws[@]}" sqs set-queue-attributes --queue-url "$queue_url" --attributes \
  "{\"RedrivePolicy\": $(quoted "$redrive"), \"Policy\": $(quoted "${policy//$'\n'/ }")}"

"${aws[@]}" s3api put-bucket-notification-configuration --bucket "$bucket" \
  --notification-configuration "{\"QueueConfigurations\": [
    {\"Id\": \"arrivage\", \"QueueArn\": \"$queue_arn\", \"Events\": [\"s3:ObjectCreated:*\"]}
  ]}"

echo "bucket: $bucket"
echo "queue: $queue_url"
echo "dead-letter queue: $dead_url"
