"""Tidings: a rules-driven notification gateway for loyalty programmes.

Events come in over gRPC or as vendors' webhooks, rules decide who must be told what, and the messages
go out as e-mail and signed webhooks, durably and once per intent. ``README.md`` beside this file
describes the packages and the decisions behind them.
"""
