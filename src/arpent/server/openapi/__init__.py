"""The OpenAPI document: what each operation is sent, what it answers, and what clients may rely on."""
