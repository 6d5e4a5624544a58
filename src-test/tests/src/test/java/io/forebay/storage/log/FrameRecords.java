package io.forebay.storage.log;

import java.util.ArrayList;
import java.util.List;

/** What an actor has put into a frame. */
public final class FrameRecords {
    private FrameRecords() {}

    /** All records of a frame, appended or not. */
    public static List<LogRecord> of(Frame frame) {
        List<LogRecord> records = new ArrayList<>();
        RecordView view = new RecordView();
        try {
            for (int i = 0; i < frame.recordCount(); i++) {
                records.add(view.wrap(frame.image(), 0, frame.recordAt(i), i).decode());
            }
        } catch (CorruptRecordException e) {
            throw new AssertionError(e);
        }
        return records;
    }
}
