package io.forebay.queue.core;

import io.forebay.storage.log.OffsetSet;

/** Gathers offsets into a set, in any order, repeated ones too; a consecutive run costs no more than two numbers. */
final class OffsetCollector {
    private OffsetSet.Builder finishedRuns;
    private long runFirst;
    private long runLast;
    private boolean isEmpty = true;

    void clear() {
        finishedRuns = null;
        isEmpty = true;
    }

    boolean isEmpty() {
        return isEmpty;
    }

    void add(long offset) {
        if (isEmpty) {
            isEmpty = false;
            runFirst = offset;
        } else if (offset != runLast + 1) {
            finishRun();
            runFirst = offset;
        }
        runLast = offset;
    }

    OffsetSet toSet() {
        if (isEmpty) {
            return OffsetSet.empty();
        }
        if (finishedRuns == null) {
            return OffsetSet.range(runFirst, runLast - runFirst + 1);
        }
        finishRun();
        return finishedRuns.build();
    }

    private void finishRun() {
        if (finishedRuns == null) {
            finishedRuns = OffsetSet.builder();
        }
        finishedRuns.addRange(runFirst, runLast - runFirst + 1);
    }
}
