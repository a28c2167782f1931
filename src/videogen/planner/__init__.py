"""How long a job takes, how much memory it needs and what it costs, before anything is rented.

`work` reads from a graph what it asks of a GPU, `speed` holds what is known of GPUs, `estimate` puts both together.
"""
