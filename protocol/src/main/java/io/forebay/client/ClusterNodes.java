package io.forebay.client;

import akka.actor.Address;
import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import akka.actor.typed.receptionist.Receptionist;
import io.forebay.protocol.NodeProtocol;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;

/**
 * Follows what nodes the Receptionist knows, and gives the client a session with each. A node that goes keeps its session,
 * which looks for it: it comes back at its address, as a rule with another entry actor.
 */
final class ClusterNodes extends AbstractBehavior<ClusterNodes.Message> {
    sealed interface Message permits Listing, Sweep, Stop {}

    private record Listing(Receptionist.Listing listing) implements Message {}

    private enum Sweep implements Message {
        INSTANCE
    }

    /** The client has been closed. */
    enum Stop implements Message {
        INSTANCE
    }

    private record Known(ActorRef<NodeProtocol.Request> entry, ActorRef<ClientSession.Message> session) {}

    private final ForebayClient client;
    private final Map<Address, Known> known = new HashMap<>();

    static Behavior<Message> create(ForebayClient client) {
        return Behaviors.setup(context -> Behaviors.withTimers(timers -> {
            timers.startTimerWithFixedDelay(Sweep.INSTANCE, Duration.ofSeconds(1));
            return new ClusterNodes(context, client);
        }));
    }

    private ClusterNodes(ActorContext<Message> context, ForebayClient client) {
        super(context);
        this.client = client;
        context.getSystem()
                .receptionist()
                .tell(Receptionist.subscribe(
                        NodeProtocol.SERVICE_KEY, context.messageAdapter(Receptionist.Listing.class, Listing::new)));
    }

    @Override
    public Receive<Message> createReceive() {
        return newReceiveBuilder()
                .onMessage(Listing.class, this::onListing)
                .onMessageEquals(Sweep.INSTANCE, this::onSweep)
                .onMessageEquals(Stop.INSTANCE, Behaviors::stopped)
                .build();
    }

    private Behavior<Message> onListing(Listing message) {
        for (ActorRef<NodeProtocol.Request> entry : message.listing().getServiceInstances(NodeProtocol.SERVICE_KEY)) {
            Address address = entry.path().address();
            Known before = known.get(address);
            if (before == null) {
                ActorRef<ClientSession.Message> session = client.addLink(ClientSession.Place.of(
                        entry,
                        getContext().getSystem(),
                        "The Receptionist knows it as a Forebay node; check whether that member is reachable."));
                known.put(address, new Known(entry, session));
            } else if (!before.entry().equals(entry)) {
                known.put(address, new Known(entry, before.session()));
                before.session().tell(new ClientSession.EntryChanged(entry));
            }
        }
        return this;
    }

    private Behavior<Message> onSweep() {
        client.expireOrphans(false);
        return this;
    }
}
