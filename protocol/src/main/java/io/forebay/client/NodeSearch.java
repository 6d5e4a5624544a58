package io.forebay.client;

/**
 * The search for a node with which no session is open: when to ask it again, and whether it has been silent for so long that this
 * has to be told. Times are milliseconds of the client's clock and come in as values. Confined to its session.
 */
final class NodeSearch {
    private final long retryMinMillis;
    private final long retryMaxMillis;
    private final long noAnswerAfterMillis;

    private long sinceMillis;
    private long retryAtMillis;
    private long retryMillis;
    private boolean isNoAnswerTold;
    private boolean isRerouted;

    NodeSearch(ClientSettings settings) {
        retryMinMillis = settings.retryMin().toMillis();
        retryMaxMillis = settings.retryMax().toMillis();
        noAnswerAfterMillis = settings.noAnswerAfter().toMillis();
    }

    /** It is to be looked for from now on. */
    void begin(long nowMillis) {
        sinceMillis = nowMillis;
        isNoAnswerTold = false;
        isRerouted = false;
        retryMillis = retryMinMillis;
    }

    /** It is being asked for a session. */
    void asked(long nowMillis) {
        retryAtMillis = nowMillis + retryMillis;
        retryMillis = Math.min(retryMaxMillis, retryMillis * 2);
    }

    /** It opens none for now. */
    void refused(long nowMillis, long retryAfterMillis) {
        retryAtMillis = nowMillis + Math.max(retryAfterMillis, retryMillis);
    }

    boolean isToBeAsked(long nowMillis) {
        return nowMillis >= retryAtMillis;
    }

    long soughtMillis(long nowMillis) {
        return nowMillis - sinceMillis;
    }

    boolean isWithoutAnswer(long nowMillis) {
        return soughtMillis(nowMillis) >= noAnswerAfterMillis;
    }

    /** @return whether that there is no answer has still to be told, in this search; it counts as told */
    boolean takeNoAnswer() {
        boolean isNew = !isNoAnswerTold;
        isNoAnswerTold = true;
        return isNew;
    }

    /** Whether what needs no order has gone to other nodes, in this search. */
    boolean isRerouted() {
        return isRerouted;
    }

    void rerouted() {
        isRerouted = true;
    }

    /** When there is something to do. */
    long nextMillis() {
        return isNoAnswerTold ? retryAtMillis : Math.min(retryAtMillis, sinceMillis + noAnswerAfterMillis);
    }
}
