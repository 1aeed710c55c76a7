import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.function.IntFunction;
import org.apache.catalina.util.StandardSessionIdGenerator;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.session.DefaultSessionIdManager;

/**
 * Mint session ids with Tomcat's and Jetty's generators, and in Spring's and WebLogic's formats.
 *
 * <p>Writes kinds as JSON Lines for contexts.py.
 */
public final class MintJava {
  private static final int MANY = 10;
  private static final SecureRandom RANDOM = new SecureRandom();

  private MintJava() {}

  private static List<String> several(IntFunction<String> mint) {
    List<String> values = new ArrayList<>();
    for (int number = 0; number < MANY; number++) {
      values.add(mint.apply(number));
    }
    return values;
  }

  private static String quoted(String text) {
    return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
  }

  private static String list(List<String> values) {
    return "[" + String.join(",", values.stream().map(MintJava::quoted).toList()) + "]";
  }

  private static void emit(
      String kind, String by, String name, List<String> values, List<String> carriers, List<String> natives) {
    System.out.printf(
        "{\"kind\":%s,\"made_by\":%s,\"name\":%s,\"values\":%s,\"carriers\":%s,\"noun\":\"session\",\"native\":[%s]}%n",
        quoted(kind), quoted(by), quoted(name), list(values), list(carriers), String.join(",", natives));
  }

  private static String line(String context, String text, String secret) {
    return String.format(
        "{\"context\":%s,\"text\":%s,\"secrets\":[%s]}", quoted(context), quoted(text), quoted(secret));
  }

  /** Where only Java servers show a session id: path parameters and their own toString. */
  private static List<String> natives(List<String> ids, String server) {
    List<String> lines = new ArrayList<>();
    String id = ids.get(0);
    lines.add(line("jsessionid-path", "10.4.7.9 - - [02/Mar/2026:08:00:00 +0000] \"GET /shop/cart.do;jsessionid=" + id
        + "?page=2 HTTP/1.1\" 200 5120", id));
    id = ids.get(1);
    lines.add(line("jsessionid-referer", "referer=https://shop.example.com/shop/login;JSESSIONID=" + id
        + " trace=4bf92f3577b34da6a3ce929d0e0e4736", id));
    id = ids.get(2);
    Map<String, Object> attributes = new LinkedHashMap<>();
    attributes.put("user", "alice");
    attributes.put("JSESSIONID", id);
    attributes.put("correlationId", UUID.randomUUID());
    lines.add(line("java-native-map", "DEBUG " + server + " request attributes " + attributes, id));
    id = ids.get(3);
    lines.add(line("java-native-record", "DEBUG " + new Session(id, "alice", 1800), id));
    id = ids.get(4);
    lines.add(line("spring-web-details", "Set SecurityContextHolder to UsernamePasswordAuthenticationToken [Principal=alice, "
        + "Credentials=[PROTECTED], Authenticated=true, Details=WebAuthenticationDetails [RemoteIpAddress=203.0.113.7, SessionId="
        + id + "], Granted Authorities=[ROLE_USER]]", id));
    id = ids.get(5);
    lines.add(line("jsessionid-encoded", "Location: /cas/login?service=https%3A%2F%2Fshop.example.com%2Fcart%3Bjsessionid%3D" + id
        + "&locale=en", id));
    return lines;
  }

  private record Session(String id, String user, int maxInactiveInterval) {}

  public static void main(String[] arguments) throws Exception {
    StandardSessionIdGenerator tomcat = new StandardSessionIdGenerator();
    StandardSessionIdGenerator routed = new StandardSessionIdGenerator();
    routed.setJvmRoute("node1");
    String byTomcat = "Tomcat " + org.apache.catalina.util.ServerInfo.getServerNumber();
    List<String> ids = several(number -> tomcat.generateSessionId());
    emit("tomcat-session", byTomcat, "JSESSIONID", ids, List.of("cookie"), natives(ids, "o.a.catalina"));
    emit("tomcat-session-route", byTomcat, "JSESSIONID", several(number -> routed.generateSessionId()), List.of("cookie"), List.of());

    DefaultSessionIdManager jetty = new DefaultSessionIdManager(new Server());
    jetty.setWorkerName("node0");
    jetty.start();
    List<String> nodes = several(number -> jetty.newSessionId(System.nanoTime()) + ".node0");
    emit("jetty-session", "Jetty " + Server.getVersion(), "JSESSIONID", nodes, List.of("cookie"), natives(nodes, "o.e.jetty"));

    emit("spring-session", "format of Spring Session", "SESSION",
        several(number -> Base64.getEncoder().encodeToString(UUID.randomUUID().toString().getBytes())), List.of("cookie"), List.of());
    emit("spring-csrf", "format of Spring Security", "_csrf",
        several(number -> UUID.randomUUID().toString()), List.of("field"), List.of());
    emit("spring-xsrf-cookie", "format of Spring Security", "XSRF-TOKEN",
        several(number -> UUID.randomUUID().toString()), List.of("cookie"), List.of());
    emit("spring-remember-me", "format of Spring Security", "remember-me",
        several(number -> Base64.getEncoder().withoutPadding().encodeToString(
            ("user" + number + ":17740000" + number + "0000:SHA256:" + hex(32)).getBytes())), List.of("cookie"), List.of());
    emit("weblogic-session", "format of WebLogic", "JSESSIONID",
        several(number -> letters(52) + "!" + (-1 - RANDOM.nextInt(2_000_000_000)) + "!" + RANDOM.nextInt(2_000_000_000)),
        List.of("cookie"), List.of());
    System.out.flush();
    // Jetty's scheduler would keep the program running.
    System.exit(0);
  }

  private static String hex(int bytes) {
    StringBuilder text = new StringBuilder();
    for (int at = 0; at < bytes; at++) {
      text.append(String.format("%02x", RANDOM.nextInt(256)));
    }
    return text.toString();
  }

  private static String letters(int length) {
    String alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    StringBuilder text = new StringBuilder();
    for (int at = 0; at < length; at++) {
      text.append(alphabet.charAt(RANDOM.nextInt(alphabet.length())));
    }
    return text.toString();
  }
}
