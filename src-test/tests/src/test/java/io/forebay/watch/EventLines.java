package io.forebay.watch;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.AppenderBase;
import io.forebay.store.EventLog;
import io.forebay.store.LogEvent;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.slf4j.LoggerFactory;

/** What the event log says while this is open. */
public final class EventLines implements AutoCloseable {
    private static final Logger EVENTS = (Logger) LoggerFactory.getLogger(EventLog.LOGGER);

    private final List<String> lines = new CopyOnWriteArrayList<>();
    private final AppenderBase<ILoggingEvent> appender = new AppenderBase<>() {
        @Override
        protected void append(ILoggingEvent event) {
            lines.add(event.getLevel() + " " + event.getFormattedMessage());
        }
    };
    private final Level level = EVENTS.getLevel();

    public EventLines() {
        EVENTS.setLevel(Level.INFO);
        EVENTS.setAdditive(false);
        appender.start();
        EVENTS.addAppender(appender);
    }

    /** Level and line of each event of that kind, in order. */
    public List<String> of(LogEvent event) {
        return lines.stream()
                .filter(line -> line.contains(" event=" + event.text() + " "))
                .toList();
    }

    @Override
    public void close() {
        EVENTS.detachAppender(appender);
        EVENTS.setAdditive(true);
        EVENTS.setLevel(level);
    }
}
