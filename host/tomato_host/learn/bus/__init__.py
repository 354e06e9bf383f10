"""The learning loop's bus over Redis Streams: packets, commands, reports, telemetry; at least once.

Each topic is two streams, `<name>` and `<name>.emergency`. A consumer group reads the emergency one first. Depth is
what the group still has before it (pending + lag), never the stream's length: a stream keeps what was consumed.

    depth >= conservative_depth   ordinary messages are refused until depth <= normal_depth: their sender holds them
    depth >= drop_depth           those that no sender holds (telemetry) are dropped, and counted
    emergency                     passes whatever waits, at most emergency_per_minute; nothing ordinary enters it

Alternatives rejected: MAXLEN on publishing (it deletes what nobody has read yet); one stream with a priority field (a
group reads in order, so an alarm would wait behind 8,000 messages).
"""
