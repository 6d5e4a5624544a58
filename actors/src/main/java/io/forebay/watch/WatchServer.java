package io.forebay.watch;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.Executor;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Serves some pages over HTTP, to be read only. Thread-safe. */
final class WatchServer implements AutoCloseable {
    /** One page. Called on threads of the server, several at a time. */
    interface Page {
        /** @param accept what the client takes; null if it does not say */
        Answer answer(String accept);
    }

    /** @param type of the content */
    record Answer(int status, String type, byte[] body) {
        static Answer text(int status, String text) {
            return new Answer(status, "text/plain; charset=utf-8", text.getBytes(StandardCharsets.UTF_8));
        }

        static Answer json(int status, String json) {
            return new Answer(status, "application/json", json.getBytes(StandardCharsets.UTF_8));
        }
    }

    private static final Logger LOG = LoggerFactory.getLogger(WatchServer.class);
    private static final int BACKLOG = 64;

    private final HttpServer server;
    private final Map<String, Page> pages;

    /**
     * Binds and serves. Its own thread is a daemon if the caller's is.
     *
     * @param pages by path
     * @param executor runs the pages
     * @throws IOException if the address cannot be bound
     */
    WatchServer(InetSocketAddress address, Map<String, Page> pages, Executor executor) throws IOException {
        this.pages = Map.copyOf(pages);
        server = HttpServer.create(address, BACKLOG);
        server.setExecutor(executor);
        server.createContext("/", this::handle);
        server.start();
    }

    /** Where it listens. */
    InetSocketAddress address() {
        return server.getAddress();
    }

    private void handle(HttpExchange exchange) throws IOException {
        try (exchange) {
            Answer answer = answer(exchange);
            exchange.getResponseHeaders().set("Content-Type", answer.type);
            exchange.getResponseHeaders().set("Cache-Control", "no-store");
            boolean hasBody = !exchange.getRequestMethod().equals("HEAD");
            exchange.sendResponseHeaders(answer.status, hasBody ? answer.body.length : -1);
            if (hasBody) {
                exchange.getResponseBody().write(answer.body);
            }
        }
    }

    private Answer answer(HttpExchange exchange) {
        Page page = pages.get(exchange.getRequestURI().getPath());
        if (page == null) {
            return Answer.text(404, "there is no such page; there are " + String.join(", ", names()) + "\n");
        }
        String method = exchange.getRequestMethod();
        if (!method.equals("GET") && !method.equals("HEAD")) {
            exchange.getResponseHeaders().set("Allow", "GET, HEAD");
            return Answer.text(405, "this page is only read\n");
        }
        try {
            return page.answer(exchange.getRequestHeaders().getFirst("Accept"));
        } catch (RuntimeException | AssertionError bug) {
            LOG.error("the page {} could not be made", exchange.getRequestURI(), bug);
            return Answer.text(500, "the page could not be made: " + bug + "\n");
        }
    }

    private Iterable<String> names() {
        return pages.keySet().stream().sorted().toList();
    }

    /** Ends at once; answers under way are cut off. */
    @Override
    public void close() {
        server.stop(0);
    }
}
