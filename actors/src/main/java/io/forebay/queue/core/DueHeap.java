package io.forebay.queue.core;

import java.util.Arrays;

/**
 * Binary heap of nodes by the instant they are due. A node knows its place, so it is moved and removed in logarithmic
 * time; that is what keeps settled checkpoints from staying here until their deadline. Confined to its owner.
 */
final class DueHeap<N extends DueHeap.Node> {
    private static final int CAPACITY_MIN = 8;

    /** What may be in one heap at a time. */
    abstract static class Node {
        private long heapDueMillis;
        private int heapIndex = -1;

        final boolean isInHeap() {
            return heapIndex >= 0;
        }

        final long heapDueMillis() {
            return heapDueMillis;
        }
    }

    private Node[] nodes = new Node[CAPACITY_MIN];
    private int size;

    int size() {
        return size;
    }

    /** @return when the first is due, {@link Long#MAX_VALUE} if there is none */
    long nextDueMillis() {
        return size == 0 ? Long.MAX_VALUE : nodes[0].heapDueMillis;
    }

    /** @return the node due first, or null */
    N first() {
        return size == 0 ? null : at(0);
    }

    /** Adds the node, or moves it if it is here. */
    void put(N node, long dueMillis) {
        Node entry = node;
        long before = entry.heapDueMillis;
        entry.heapDueMillis = dueMillis;
        if (entry.heapIndex < 0) {
            if (size == nodes.length) {
                nodes = Arrays.copyOf(nodes, size * 2);
            }
            nodes[size] = entry;
            entry.heapIndex = size;
            siftUp(size++);
        } else if (dueMillis < before) {
            siftUp(entry.heapIndex);
        } else {
            siftDown(entry.heapIndex);
        }
    }

    void remove(N node) {
        int hole = ((Node) node).heapIndex;
        if (hole < 0) {
            return;
        }
        Node last = nodes[--size];
        nodes[size] = null;
        ((Node) node).heapIndex = -1;
        if (hole == size) {
            return;
        }
        nodes[hole] = last;
        last.heapIndex = hole;
        siftUp(hole);
        siftDown(last.heapIndex);
    }

    void clear() {
        for (int i = 0; i < size; i++) {
            nodes[i].heapIndex = -1;
            nodes[i] = null;
        }
        size = 0;
    }

    private void siftUp(int from) {
        Node node = nodes[from];
        int i = from;
        while (i > 0) {
            int parent = (i - 1) >>> 1;
            if (nodes[parent].heapDueMillis <= node.heapDueMillis) {
                break;
            }
            place(i, nodes[parent]);
            i = parent;
        }
        place(i, node);
    }

    private void siftDown(int from) {
        Node node = nodes[from];
        int i = from;
        while (true) {
            int child = 2 * i + 1;
            if (child >= size) {
                break;
            }
            if (child + 1 < size && nodes[child + 1].heapDueMillis < nodes[child].heapDueMillis) {
                child++;
            }
            if (nodes[child].heapDueMillis >= node.heapDueMillis) {
                break;
            }
            place(i, nodes[child]);
            i = child;
        }
        place(i, node);
    }

    private void place(int i, Node node) {
        nodes[i] = node;
        node.heapIndex = i;
    }

    @SuppressWarnings("unchecked")
    private N at(int i) {
        return (N) nodes[i];
    }
}
