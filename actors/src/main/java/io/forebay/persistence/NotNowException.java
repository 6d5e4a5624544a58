package io.forebay.persistence;

import io.forebay.storage.log.QueueReader;
import java.io.Serial;

/** The stripe cannot be read for now, or the device did not give something: what is left may be tried again. */
final class NotNowException extends Exception {
    @Serial
    private static final long serialVersionUID = 1;

    NotNowException(String message) {
        super(message);
    }

    /** What it, or whatever else keeps an event from being read, says. */
    static String reasonOf(QueueReader.Result result) {
        return "the event at offset " + result.nextOffset() + " cannot be read: "
                + (result.problem() == null
                        ? "the stripe makes a failed force good, or is closed"
                        : result.problem().text());
    }
}
