"""The `modeldrop` command. One code path drives the embedded cloud and a stack on AWS; only the address differs."""
