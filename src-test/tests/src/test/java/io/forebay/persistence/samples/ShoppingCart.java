package io.forebay.persistence.samples;

import akka.Done;
import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.Behavior;
import akka.actor.typed.javadsl.Behaviors;
import akka.cluster.sharding.typed.javadsl.ClusterSharding;
import akka.cluster.sharding.typed.javadsl.Entity;
import akka.cluster.sharding.typed.javadsl.EntityTypeKey;
import akka.pattern.StatusReply;
import akka.persistence.typed.PersistenceId;
import akka.persistence.typed.javadsl.CommandHandlerWithReply;
import akka.persistence.typed.javadsl.EventHandler;
import akka.persistence.typed.javadsl.EventSourcedBehaviorWithEnforcedReplies;
import akka.persistence.typed.javadsl.RetentionCriteria;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** A sharded cart. One that is checked out is passivated; whoever asks again wakes it. */
final class ShoppingCart
        extends EventSourcedBehaviorWithEnforcedReplies<ShoppingCart.Command, ShoppingCart.Event, ShoppingCart.Cart> {
    static final EntityTypeKey<Command> KEY = EntityTypeKey.create(Command.class, "ShoppingCart");

    /** One projection for each. */
    static final List<String> TAGS = List.of("carts-0", "carts-1", "carts-2");

    interface Command {}

    record AddItem(String item, long quantity, ActorRef<StatusReply<Cart>> replyTo) implements Command {}

    record CheckOut(ActorRef<StatusReply<Done>> replyTo) implements Command {}

    record GetCart(ActorRef<StatusReply<Cart>> replyTo) implements Command {}

    /** What sharding says to one that is to stop. */
    enum Stop implements Command {
        INSTANCE
    }

    sealed interface Event extends Stored {}

    record ItemAdded(String item, long quantity) implements Event {}

    record CheckedOut() implements Event {}

    /**
     * @param quantities by item
     * @param events how many have made it
     */
    record Cart(Map<String, Long> quantities, long events) implements Stored {
        Cart with(ItemAdded added) {
            Map<String, Long> more = new TreeMap<>(quantities);
            more.merge(added.item, added.quantity, Long::sum);
            return new Cart(more, events + 1);
        }
    }

    private final String tag;
    private final Runnable passivate;

    static void init(ActorSystem<?> system) {
        ClusterSharding.get(system)
                .init(Entity.of(KEY, entity -> create(entity.getEntityId(), entity.getShard()))
                        .withStopMessage(Stop.INSTANCE));
    }

    private static Behavior<Command> create(String cartId, ActorRef<ClusterSharding.ShardCommand> shard) {
        return Behaviors.setup(context ->
                new ShoppingCart(cartId, () -> shard.tell(new ClusterSharding.Passivate<>(context.getSelf()))));
    }

    private ShoppingCart(String cartId, Runnable passivate) {
        super(PersistenceId.of(KEY.name(), cartId));
        tag = TAGS.get(Math.floorMod(cartId.hashCode(), TAGS.size()));
        this.passivate = passivate;
    }

    @Override
    public Cart emptyState() {
        return new Cart(Map.of(), 0);
    }

    @Override
    public CommandHandlerWithReply<Command, Event, Cart> commandHandler() {
        return newCommandHandlerWithReplyBuilder()
                .forAnyState()
                .onCommand(
                        AddItem.class,
                        (cart, add) -> Effect()
                                .persist(new ItemAdded(add.item, add.quantity))
                                .thenReply(add.replyTo, StatusReply::success))
                .onCommand(
                        CheckOut.class,
                        (cart, checkOut) -> Effect()
                                .persist(new CheckedOut())
                                .thenRun(passivate::run)
                                .thenReply(checkOut.replyTo, after -> StatusReply.ack()))
                .onCommand(GetCart.class, (cart, get) -> Effect().reply(get.replyTo, StatusReply.success(cart)))
                .onCommand(Stop.class, (cart, stop) -> Effect().stop().thenNoReply())
                .build();
    }

    @Override
    public EventHandler<Cart, Event> eventHandler() {
        return newEventHandlerBuilder()
                .forAnyState()
                .onEvent(ItemAdded.class, Cart::with)
                .onEvent(CheckedOut.class, (cart, checkedOut) -> new Cart(cart.quantities, cart.events + 1))
                .build();
    }

    @Override
    public Set<String> tagsFor(Event event) {
        return Set.of(tag);
    }

    /** Snapshots alone: the projections need the events. */
    @Override
    public RetentionCriteria retentionCriteria() {
        return RetentionCriteria.snapshotEvery(10, 1);
    }
}
