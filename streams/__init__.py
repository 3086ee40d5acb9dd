"""Andon: raw OT events folded with MES orders into records that IT systems consume. One fold: live, replayed, recomputed."""

__version__ = "0.1.0"
