package io.forebay.client;

import akka.actor.typed.ActorRef;
import io.forebay.protocol.NodeProtocol;

/** The nodes a client talks to. */
public sealed interface Target {
    /** One node by its entry actor: in the same actor system, or a reference got in some other way. */
    record Node(ActorRef<NodeProtocol.Request> entry) implements Target {}

    /** All nodes of the cluster that this actor system is a member of, found through the Receptionist. */
    record Cluster() implements Target {}

    /** One node from outside its cluster. */
    record Contact(ContactPoint contactPoint) implements Target {}

    static Target node(ActorRef<NodeProtocol.Request> entry) {
        return new Node(entry);
    }

    static Target cluster() {
        return new Cluster();
    }

    /** @param address {@code HOST:PORT} or {@code akka://SYSTEM@HOST:PORT}, see {@link ContactPoint#parse(String)} */
    static Target contact(String address) {
        return new Contact(ContactPoint.parse(address));
    }
}
