package io.forebay.node;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * Stands before a port of loopback and passes on what comes, until it is told to read no more: whoever is connected then finds that
 * its peer lives and takes nothing. Thread-safe.
 */
final class DeafProxy implements AutoCloseable {
    private final ServerSocket server;
    private final int target;
    private final Queue<Socket> sockets = new ConcurrentLinkedQueue<>();
    private volatile boolean isDeaf;
    private volatile boolean isClosed;

    /** @param target port that the bytes are for; nobody need listen there yet */
    DeafProxy(int target) throws IOException {
        this.target = target;
        server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        start(this::accept);
    }

    /** One that nobody listens at now. */
    static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }

    int port() {
        return server.getLocalPort();
    }

    /** What comes from now on, and what has just come, stays where it is. */
    void readNoMore() {
        isDeaf = true;
    }

    private void accept() {
        while (!isClosed) {
            try {
                Socket in = server.accept();
                sockets.add(in);
                Socket out = new Socket(InetAddress.getLoopbackAddress(), target);
                sockets.add(out);
                start(() -> pump(in, out));
                start(() -> pump(out, in));
            } catch (IOException e) {
                // Closed, or nobody listens: whoever came comes again.
                isClosed |= server.isClosed();
            }
        }
    }

    private void pump(Socket from, Socket to) {
        byte[] bytes = new byte[64 << 10];
        try {
            InputStream in = from.getInputStream();
            OutputStream out = to.getOutputStream();
            for (int count = in.read(bytes); count >= 0 && !isDeaf; count = in.read(bytes)) {
                out.write(bytes, 0, count);
            }
        } catch (IOException e) {
            // One of the two is gone, and the other one goes with it.
            isClosed |= server.isClosed();
        }
    }

    private static void start(Runnable runnable) {
        Thread thread = new Thread(runnable, "deaf-proxy");
        thread.setDaemon(true);
        thread.start();
    }

    @Override
    public void close() throws IOException {
        isClosed = true;
        server.close();
        for (Socket socket : sockets) {
            socket.close();
        }
    }
}
