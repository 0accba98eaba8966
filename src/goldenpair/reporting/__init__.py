"""The report page: plots, tiles and tables in one file that needs no network; nothing here needs torch."""
