package io.forebay.storage.log;

/**
 * Bytes that a stripe has written into its log since its start, by what they are for; what rewrites and recovery write
 * again is not counted. Frame headers count to the first record of their frame.
 *
 * @param messages messages and entries, as sent
 * @param groups what groups keep about them: Pops, acks, deadlines, dead letters
 * @param checkpoints snapshots and manifests
 * @param moved copies that cleaning made
 * @param others names, settings, purges, seeks and the like, and what Akka Persistence stores
 */
public record WrittenBytes(long messages, long groups, long checkpoints, long moved, long others) {
    public long total() {
        return messages + groups + checkpoints + moved + others;
    }
}
