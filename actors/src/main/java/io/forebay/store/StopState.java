package io.forebay.store;

import java.util.ArrayList;
import java.util.List;

/**
 * Decides how far a stripe's end has come: asked for, last checkpoint tried, nothing taken any more (closing), log being closed,
 * log closed. Clean is what was asked for, not timed out, and met no failure. Pure; confined to the StoreWriter.
 *
 * @param <R> who is told of the end
 */
final class StopState<R> {
    private enum Step {
        SERVING,
        CLOSING,
        LOG_CLOSING,
        LOG_CLOSED
    }

    private final List<R> replies = new ArrayList<>();
    private Step step = Step.SERVING;
    private boolean isLastCheckpointTried;
    private boolean isTimeOver;
    private boolean isClean;
    private String because;

    /** @return whether it is the first to ask */
    boolean ask(R replyTo) {
        replies.add(replyTo);
        return replies.size() == 1;
    }

    boolean isAsked() {
        return !replies.isEmpty();
    }

    /** Who asked. */
    List<R> replies() {
        return replies;
    }

    /** Whether there should be a last checkpoint; once. */
    boolean takeLastCheckpoint() {
        boolean isFirst = !isLastCheckpointTried;
        isLastCheckpointTried = true;
        return isFirst;
    }

    /** What is not forced by now is left to recovery. */
    void timeOver() {
        isTimeOver = true;
        isClean = false;
    }

    boolean isTimeOver() {
        return isTimeOver;
    }

    /** Something was met that recovery has to look at. */
    void notClean() {
        isClean = false;
    }

    boolean isClean() {
        return isClean;
    }

    /**
     * Nothing is taken any more.
     *
     * @param why what those are told who still come
     * @param clean whether what is unflushed is forced before the log is closed
     * @return false if that was so already; then the first reason stays
     */
    boolean close(String why, boolean clean) {
        if (step != Step.SERVING) {
            return false;
        }
        step = Step.CLOSING;
        because = why;
        isClean = clean && !isTimeOver;
        return true;
    }

    boolean isClosing() {
        return step != Step.SERVING;
    }

    /** Null while the stripe serves. */
    String because() {
        return because;
    }

    void logClosing() {
        step = Step.LOG_CLOSING;
    }

    void logClosed() {
        step = Step.LOG_CLOSED;
    }

    /** Whether the log is closed or being closed: nothing else may touch it. */
    boolean isLogClosing() {
        return step == Step.LOG_CLOSING || step == Step.LOG_CLOSED;
    }

    boolean isLogClosed() {
        return step == Step.LOG_CLOSED;
    }
}
