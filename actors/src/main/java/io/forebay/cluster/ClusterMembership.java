package io.forebay.cluster;

import akka.actor.Address;
import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.receptionist.Receptionist;
import akka.cluster.Member;
import akka.cluster.MemberStatus;
import akka.cluster.typed.Cluster;
import akka.cluster.typed.Join;
import io.forebay.protocol.NodeProtocol;
import java.util.Optional;
import java.util.function.Predicate;

/**
 * What of a node depends on being a member of a cluster. Nothing of Akka Cluster is touched unless the system's provider is
 * cluster. Thread-safe.
 */
public final class ClusterMembership {
    private ClusterMembership() {}

    /** Whether the system's provider is cluster. */
    public static boolean isCluster(ActorSystem<?> system) {
        String provider = system.settings().config().getString("akka.actor.provider");
        return provider.equals("cluster") || provider.equals("akka.cluster.ClusterActorRefProvider");
    }

    /** Whether the actor lives on a member of our cluster: then it can be watched. */
    public static Predicate<ActorRef<?>> isMember(ActorSystem<?> system) {
        if (!isCluster(system)) {
            return ref -> false;
        }
        Cluster cluster = Cluster.get(system);
        return ref -> isMember(cluster, ref.path().address());
    }

    private static boolean isMember(Cluster cluster, Address address) {
        for (Member member : cluster.state().getMembers()) {
            if (member.address().equals(address)
                    && member.status() != MemberStatus.down()
                    && member.status() != MemberStatus.removed()) {
                return true;
            }
        }
        return false;
    }

    /** Makes the node known to the members of the cluster. */
    public static void register(ActorSystem<?> system, ActorRef<NodeProtocol.Request> entry) {
        if (isCluster(system)) {
            system.receptionist().tell(Receptionist.register(NodeProtocol.SERVICE_KEY, entry));
        }
    }

    /** Takes the node out of the routes. */
    public static void deregister(ActorSystem<?> system, ActorRef<NodeProtocol.Request> entry) {
        if (isCluster(system)) {
            system.receptionist().tell(Receptionist.deregister(NodeProtocol.SERVICE_KEY, entry));
        }
    }

    /** Forms a cluster of one if no seed nodes are configured. Returns whether it does. */
    public static boolean joinSelfWithoutSeeds(ActorSystem<?> system) {
        boolean hasSeeds = !system.settings()
                .config()
                .getStringList("akka.cluster.seed-nodes")
                .isEmpty();
        if (!hasSeeds) {
            Cluster cluster = Cluster.get(system);
            cluster.manager().tell(Join.create(cluster.selfMember().address()));
        }
        return !hasSeeds;
    }

    /** Under which others reach this system; empty if it has no remoting. */
    public static Optional<Address> addressOf(ActorSystem<?> system) {
        return isCluster(system) ? Optional.of(Cluster.get(system).selfMember().address()) : Optional.empty();
    }
}
