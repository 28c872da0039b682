"""From a run folder to a page: reader (bytes to facts), summary (totals), model (facts to what is shown), render (HTML)."""
