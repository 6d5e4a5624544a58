package io.forebay.config;

import static io.forebay.config.Checks.GIB;
import static io.forebay.config.Checks.KIB;
import static io.forebay.config.Checks.TIB;
import static io.forebay.config.Checks.bytes;
import static io.forebay.config.Checks.check;
import static io.forebay.config.Checks.checkBytes;
import static io.forebay.config.Checks.checkCount;
import static io.forebay.config.Checks.checkDuration;
import static io.forebay.config.Checks.duration;

import java.time.Duration;

/**
 * Section {@code forebay.session}: what a client may hold of the node.
 *
 * @param heartbeatInterval how often each side is heard when there is nothing else to say
 * @param timeout silence after which a client is gone and what it held comes back
 * @param sessionsMax clients of the node
 * @param requestsMax requests of one session that are not answered
 * @param sendBytesMax bytes of Sends of one session that are not answered
 * @param chunkBytesMax bytes of chunks of one session that are not acknowledged, in each direction
 * @param subscriptionsMax subscriptions of one session
 * @param creditsMax messages that a subscription may be pushed beyond those it has received
 * @param pushBytesMax bytes of bodies pushed to one session and not known to be received
 * @param nodeBytesMax bytes that all sessions together hold for their clients
 * @param nodePopsMax Pops of all sessions together that are not answered
 * @param mailboxCapacity messages that may wait for a session; above, the client has ignored its credits
 */
public record SessionSettings(
        Duration heartbeatInterval,
        Duration timeout,
        int sessionsMax,
        int requestsMax,
        int sendBytesMax,
        int chunkBytesMax,
        int subscriptionsMax,
        int creditsMax,
        int pushBytesMax,
        long nodeBytesMax,
        int nodePopsMax,
        int mailboxCapacity) {
    static final String SECTION = "forebay.session";

    public SessionSettings {
        checkDuration(SECTION + ".heartbeat-interval", heartbeatInterval, Duration.ofMillis(10), Duration.ofMinutes(5));
        checkDuration(SECTION + ".timeout", timeout, Duration.ofMillis(30), Duration.ofHours(1));
        check(
                timeout.compareTo(heartbeatInterval.multipliedBy(3)) >= 0,
                SECTION + ".timeout",
                duration(timeout),
                "at least three times forebay.session.heartbeat-interval, which is " + duration(heartbeatInterval));
        checkCount(SECTION + ".sessions-max", sessionsMax, 1, 1_000_000);
        checkCount(SECTION + ".requests-max", requestsMax, 1, 1_000_000);
        checkBytes(SECTION + ".send-bytes-max", sendBytesMax, 64 * KIB, GIB);
        checkBytes(SECTION + ".chunk-bytes-max", chunkBytesMax, 64 * KIB, GIB);
        checkCount(SECTION + ".subscriptions-max", subscriptionsMax, 1, 100_000);
        checkCount(SECTION + ".credits-max", creditsMax, 1, 1 << 20);
        checkBytes(SECTION + ".push-bytes-max", pushBytesMax, 64 * KIB, GIB);
        checkBytes(SECTION + ".node-bytes-max", nodeBytesMax, 64 * KIB, TIB);
        check(
                nodeBytesMax >= sendBytesMax,
                SECTION + ".node-bytes-max",
                bytes(nodeBytesMax),
                "at least forebay.session.send-bytes-max, which is " + bytes(sendBytesMax));
        checkCount(SECTION + ".node-pops-max", nodePopsMax, 1, 100_000_000);
        checkCount(SECTION + ".mailbox-capacity", mailboxCapacity, 16, 1 << 20);
        check(
                mailboxCapacity >= requestsMax,
                SECTION + ".mailbox-capacity",
                mailboxCapacity,
                "at least forebay.session.requests-max, which is " + requestsMax);
    }

    static SessionSettings from(Section section) {
        return new SessionSettings(
                section.duration("heartbeat-interval"),
                section.duration("timeout"),
                section.count("sessions-max"),
                section.count("requests-max"),
                section.intBytes("send-bytes-max"),
                section.intBytes("chunk-bytes-max"),
                section.count("subscriptions-max"),
                section.count("credits-max"),
                section.intBytes("push-bytes-max"),
                section.bytes("node-bytes-max"),
                section.count("node-pops-max"),
                section.count("mailbox-capacity"));
    }
}
