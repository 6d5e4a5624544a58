package io.forebay.client;

import io.forebay.protocol.Delivery;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionLimits;
import java.util.List;

/** What the parts of a client session need of it. Confined to it. */
interface Requests {
    long nextRequestId();

    /** Whether one more request may be under way; {@code bytes} of messages with it. Always false while there is no session. */
    boolean mayStart(int bytes);

    /** Sends it and keeps it until it is answered; while there is no session it is sent when there is one. */
    void start(InFlight request, long nowMillis);

    /** Nobody waits for its answer any more. */
    void drop(InFlight request);

    /** Whether there is a session. */
    boolean isOpen();

    /** The session's clock. */
    long nowMillis();

    /** What has come: its deadlines are looked after from now on. */
    void hold(List<Delivery> deliveries, Object owner, boolean extend, long nowMillis);

    /** Whether it has come and is not settled. */
    boolean isHeld(ReceiptHandle handle);

    /** Nobody wants these. */
    void giveBack(List<Delivery> deliveries, long nowMillis);

    void startPop(Ops.Pop pop, long nowMillis);

    void cancelPop(Ops.Pop pop);

    /** Sends a command that is not answered; does nothing while there is no session. */
    void tell(SessionCommand command);

    /** The node's limits, those of the last session while there is none. */
    SessionLimits limits();

    /** Most bytes of one batch so that it fits a frame, if frames matter. */
    int frameBytesMax();

    /** Has the part's {@code pump} called again at that time. */
    void wakeAt(long atMillis);

    /** When to repeat what was refused for now. */
    long retryDelayMillis(Refusal refusal);

    /** The node says that this delivery is not ours any more. */
    void notHeld(ReceiptHandle handle);

    /** Runs it where stages are completed. */
    void complete(Runnable task);

    /** Tells whoever watches the client why a subscription gets nothing, or not all. */
    void unserved(PopRequest request, Refusal refusal);

    /** {@code bytes} of pending messages have been answered. */
    void released(long bytes);
}
