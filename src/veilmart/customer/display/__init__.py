"""What commands and pages share: lists, and the status of an order."""
