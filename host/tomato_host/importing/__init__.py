"""Read any grower's log: inspect a file, propose a mapping, parse it with bounded memory, report what was wrong.

    file -> `inspection` (encoding, separator, header) -> `proposal` (quantities, units, time) -> mapping, confirmed
    file + mapping -> `raw_table` (text cells) -> `parsing` (UTC times, numbers) -> `reading` -> `report`, `imported`

duckdb (extra `import`) splits and converts the cells; it works on a file of any size in a fixed amount of memory.
Files, from the bottom: `engine`, `units`, `mapping`, `inspection`, `workbook`, `time_text`, `number_text`,
`vocabulary`, `raw_table`, `parsing`, `plausibility`, `report`, `summary`, `joining`, `reading`, `imported`, `sensors`,
`proposal`.
"""
