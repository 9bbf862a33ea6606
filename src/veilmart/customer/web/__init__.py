"""The customer's pages in the browser, over the use cases that the commands call."""
