"""Where a hub lives: the promises (``protocol``), the records (``rows``) and the stores."""
