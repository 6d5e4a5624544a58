package io.forebay.watch;

/** What {@code /metrics} answers. Thread-safe. */
interface MetricsPage extends AutoCloseable {
    /** @param accept what the client takes; null if it does not say */
    WatchServer.Answer answer(String accept);

    /** There is something new to be measured. */
    void refresh();

    @Override
    void close();
}
