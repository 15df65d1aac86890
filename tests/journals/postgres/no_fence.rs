//! A journal that makes the mistake for which all the others wait: it does not look if a worker has lost a saga.

/// An append does not look if its worker has lost the saga: it takes the next number that is free.
pub(crate) fn without_a_fence(sql: &str) -> String {
    sql.replace("USING (number, epoch)", "USING (number)")
        .replace("WHERE open.worker IS NOT NULL\n", "WHERE true OR open.worker IS NOT NULL\n")
        .replace(
            "SELECT number, seq, clock_timestamp(), event",
            "SELECT number, (SELECT coalesce(max(e.seq), append.epoch) FROM {schema}.entries e WHERE e.saga = number)
                 + seq - append.first + 1, clock_timestamp(), event",
        )
        .replace("open.epoch = append.epoch", "true")
}
