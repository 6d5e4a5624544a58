package io.forebay.deadletter;

/**
 * Where a page of dead letters ends. Clients get its text and may make up others.
 *
 * @param queue number of the queue
 * @param offset the first letter that was not looked at
 * @param endOffset exclusive: what has come since this queue was begun is left out, so that letters which fail again are not moved
 *     round and round; {@link #NOT_BEGUN} for a queue that is to be begun
 * @param belowOffset exclusive, for a page that looks no further, of a queue that is begun; what follows it is behind that; {@link
 *     #UNBOUNDED} for any other
 */
record LetterCursor(int queue, long offset, long endOffset, long belowOffset) {
    static final long NOT_BEGUN = -1;
    static final long UNBOUNDED = -1;
    static final LetterCursor FIRST = new LetterCursor(0, 0, NOT_BEGUN);

    LetterCursor(int queue, long offset, long endOffset) {
        this(queue, offset, endOffset, UNBOUNDED);
    }

    /** The first letter that its page must not look at. */
    long stopOffset() {
        return belowOffset == UNBOUNDED ? endOffset : Math.min(belowOffset, endOffset);
    }

    /** @return null if the text is none of ours */
    static LetterCursor parseOrNull(String text) {
        if (text.isEmpty()) {
            return FIRST;
        }
        String[] parts = text.split(":", -1);
        if (parts.length < 3 || parts.length > 4 || text.length() > 80) {
            return null;
        }
        try {
            LetterCursor cursor = new LetterCursor(
                    Integer.parseInt(parts[0]),
                    Long.parseLong(parts[1]),
                    Long.parseLong(parts[2]),
                    parts.length == 3 ? UNBOUNDED : Long.parseLong(parts[3]));
            boolean isBound = cursor.belowOffset != UNBOUNDED;
            return cursor.queue < 0
                            || cursor.offset < 0
                            || cursor.endOffset < NOT_BEGUN
                            || cursor.belowOffset < UNBOUNDED
                            || (isBound && cursor.endOffset == NOT_BEGUN)
                    ? null
                    : cursor;
        } catch (NumberFormatException e) {
            return null;
        }
    }

    @Override
    public String toString() {
        return queue + ":" + offset + ":" + endOffset + (belowOffset == UNBOUNDED ? "" : ":" + belowOffset);
    }
}
