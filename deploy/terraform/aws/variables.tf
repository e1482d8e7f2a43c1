variable "name" {
  description = "Names the queue, the dead-letter queue (NAME-dead), the policies and the role."
  type        = string
  default     = "arrivage"
}

variable "bucket" {
  description = "The bucket that files are dropped into. It is made here."
  type        = string
}

variable "prefix" {
  description = "Only objects below it are announced and can be read: \"orders/\", or all of them."
  type        = string
  default     = ""
}

variable "max_receive_count" {
  description = "How often a message is received before it goes to the dead-letter queue. Arrivage deletes a message once its arrival is recorded; what comes back often is what the ledger could not take."
  type        = number
  default     = 5
}

variable "oidc_provider_arn" {
  description = "The OIDC provider of an EKS cluster, for a role that its pods take on (IRSA). Without it no role is made, only policies."
  type        = string
  default     = null
}

variable "namespace" {
  description = "The namespace of the release."
  type        = string
  default     = "arrivage"
}

variable "service_account" {
  description = "The ServiceAccount of the release."
  type        = string
  default     = "arrivage"
}

variable "tags" {
  description = "On everything that is made."
  type        = map(string)
  default     = {}
}
