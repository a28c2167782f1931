"""Rents GPUs only while they work, and turns a batch file into finished videos."""
