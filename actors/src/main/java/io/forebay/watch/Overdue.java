package io.forebay.watch;

import io.forebay.store.EventLog;
import io.forebay.store.LogEvent;

/** What of a node can have waited for longer than it may, and how its log tells that. */
enum Overdue {
    NODE_SILENT(
            HealthView.Code.NODE_SILENT,
            EventLog.Weight.ERROR,
            LogEvent.NODE_SILENT,
            LogEvent.NODE_ANSWERS,
            "have the threads printed (jcmd PID Thread.print) to see what holds up those of forebay.queue.dispatcher;"
                    + " if it stays so, start the node again"),
    APPENDS_STALLED(
            HealthView.Code.APPENDS_STALLED,
            EventLog.Weight.WARNING,
            LogEvent.APPENDS_STALLED,
            LogEvent.APPENDS_RESUMED,
            "look at the device: the next segment cannot be made ready, or a force does not end; what waits is"
                    + " written when it can be"),
    FORCE_SLOW(
            HealthView.Code.FORCE_SLOW,
            EventLog.Weight.WARNING,
            LogEvent.FORCE_SLOW,
            LogEvent.FORCE_RESUMED,
            "look at the device: a force does not end; WRITTEN goes on until forebay.store.max-unflushed is reached");

    private final HealthView.Code code;
    private final EventLog.Weight weight;
    private final LogEvent begin;
    private final LogEvent end;
    private final String remedy;

    Overdue(HealthView.Code code, EventLog.Weight weight, LogEvent begin, LogEvent end, String remedy) {
        this.code = code;
        this.weight = weight;
        this.begin = begin;
        this.end = end;
        this.remedy = remedy;
    }

    /** As what health gives it for a reason. */
    HealthView.Code code() {
        return code;
    }

    /** How much it matters that it begins. */
    EventLog.Weight weight() {
        return weight;
    }

    LogEvent begin() {
        return begin;
    }

    LogEvent end() {
        return end;
    }

    /** One line for people: what to do. */
    String remedy() {
        return remedy;
    }
}
