// Runs clients/behaviours.json with the Swift client, on a clock that moves only when told. Argument: the table's path.
import Foundation

typealias Members = [String: Any]

/// Moves when told. The tasks that wait for it go on in their order.
final class VirtualTime: MintClock, @unchecked Sendable {
    private let lock = NSRecursiveLock()
    private var timers: [(id: UUID, at: Double, continuation: CheckedContinuation<Void, any Error>)] = []
    private var now = 0.0
    private var shown: Double

    init(wall: Double) { shown = wall }

    var wall: Double { lock.withLock { shown } }
    var monotonic: Double { lock.withLock { now } }

    func shiftWall(_ seconds: Double) { lock.withLock { shown += seconds } }

    func sleep(_ seconds: Double) async throws {
        let id = UUID()
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                lock.withLock {
                    if Task.isCancelled { continuation.resume(throwing: CancellationError()) } else { timers.append((id, now + seconds, continuation)) }
                }
            }
        } onCancel: {
            lock.withLock { take { $0.id == id } }?.resume(throwing: CancellationError())
        }
    }

    func advance(_ seconds: Double) async {
        let end = monotonic + seconds
        while let next = lock.withLock({ timers.map(\.at).min() }), next <= end {
            let continuation = lock.withLock {
                move(next)
                return take { $0.at == next }
            }
            continuation?.resume()
            await settle()
        }
        lock.withLock { move(end) }
    }

    private func move(_ to: Double) {
        shown += to - now
        now = to
    }

    private func take(_ which: ((id: UUID, at: Double, continuation: CheckedContinuation<Void, any Error>)) -> Bool) -> CheckedContinuation<Void, any Error>? {
        timers.firstIndex(where: which).map { timers.remove(at: $0).continuation }
    }
}

/// Lets everything run that waits for no timer. Swift has no way to ask, so this yields until that has surely happened.
func settle() async {
    for _ in 0..<40 { await Task.yield() }
    try? await Task.sleep(for: .milliseconds(1))
    for _ in 0..<40 { await Task.yield() }
}

@MintActor final class Deployment: MintTransport {
    private var answers: [Members]
    private let time: VirtualTime
    private var keys: [String] = []
    private(set) var sent: [Members] = []

    init(_ answers: [Members], _ time: VirtualTime) {
        self.answers = answers
        self.time = time
    }

    func send(_ request: MintRequest) async throws -> MintAnswer {
        let key = request.headers["Idempotency-Key"]
        if let key, !keys.contains(key) { keys.append(key) }
        sent.append([
            "method": "POST", "path": request.url.replacingOccurrences(of: "https://mint.test", with: ""),
            "jwt": request.headers["Authorization"]!.replacingOccurrences(of: "Bearer ", with: ""),
            "key": key.map { "k\(keys.firstIndex(of: $0)! + 1)" } as Any? ?? NSNull(),
            "body": try JSONSerialization.jsonObject(with: request.body),
        ])
        guard !answers.isEmpty else { throw URLError(.unknown) }
        let answer = answers.removeFirst()
        if answer["never"] != nil { try await time.sleep(1e9) }
        if let after = answer["after"] as? Double { try await time.sleep(after) }
        if let text = answer["lost"] as? String { throw NSError(domain: text, code: 1) }
        if answer["mint"] != nil { return MintAnswer(status: 201, body: try data(minted(answer)), retryAfter: nil) }
        let body = try (answer["problem"] as? Members).map(data) ?? Data((answer["text"] as? String ?? "").utf8)
        let header = (answer["headers"] as? [String: String])?["Retry-After"]
        return MintAnswer(status: answer["status"] as! Int, body: body, retryAfter: header)
    }

    private func data(_ members: Members) throws -> Data { try JSONSerialization.data(withJSONObject: members) }

    private func minted(_ answer: Members) -> Members {
        let id = answer["mint"] as! String
        let mint: Members = [
            "id": id, "vendor": "v", "expires_at": "2026-11-21T23:00:00Z", "expires_in": answer["expires_in"] ?? 3600,
            "single_use": answer["single_use"] ?? false, "takes_slot": answer["takes_slot"] ?? false,
        ]
        return ["apiAuthToken": "secret-\(id)", "session_id": "secret-\(id)", "mint": mint]
    }
}

/// What the app has signed in with.
@MintActor final class App {
    var jwts: [String?]
    let takes: Double
    let time: VirtualTime
    private(set) var asked = 0
    private(set) var refreshes = 0

    init(_ jwts: [String?], takes: Double, time: VirtualTime) {
        (self.jwts, self.takes, self.time) = (jwts, takes, time)
    }

    func jwt(_ force: Bool) async throws -> String {
        asked += 1
        if force {
            refreshes += 1
            if takes > 0 { try await time.sleep(takes) }
            if jwts.count > 1 { jwts.removeFirst() }
        }
        guard let jwt = jwts[0] else { throw URLError(.userAuthenticationRequired) }
        return jwt
    }
}

struct Unlike: Error, CustomStringConvertible {
    let description: String
}

/// A JSON value as a body.
struct Value: Encodable, @unchecked Sendable {
    let value: Any

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch value {
        case let members as Members: try container.encode(members.mapValues(Value.init))
        case let number as Int: try container.encode(number)
        default: try container.encode(value as! String)
        }
    }
}

@MintActor final class Scenario {
    private let behaviour: Members
    private let time: VirtualTime
    private let deployment: Deployment
    private let app: App
    private let client: MintClient
    private var results: Members = [:]
    private var credentials: [String: Credential] = [:]
    private var tasks: [String: Task<Void, Never>] = [:]

    init(_ behaviour: Members) {
        self.behaviour = behaviour
        time = VirtualTime(wall: behaviour["wall"] as? Double ?? 4_102_444_800)
        deployment = Deployment(behaviour["answers"] as! [Members], time)
        let app = App(behaviour["jwts"] as? [String] ?? ["secret-jwt-1", "secret-jwt-2"], takes: behaviour["refreshTakes"] as? Double ?? 0, time: time)
        self.app = app
        let random = behaviour["random"] as? Double ?? 1
        client = MintClient(
            baseURL: "https://mint.test/", routes: routes(behaviour["routes"] as? Members ?? [:]), transport: deployment, clock: time,
            random: { random }, jwt: { try await app.jwt($0) })
    }

    func follow() async throws {
        for (place, step) in (behaviour["steps"] as! [Members]).enumerated() {
            try await take(step, "step \(place)")
            await settle()
        }
    }

    private func take(_ step: Members, _ at: String) async throws {
        if step["get"] != nil { get(step) }
        if let seconds = step["advance"] as? Double { await time.advance(seconds) }
        if let seconds = step["shiftWall"] as? Double { time.shiftWall(seconds) }
        if let name = step["cancel"] as? String { tasks[name]!.cancel() }
        if let route = step["prefetch"] as? String { client.prefetch(route) }
        if let name = step["invalidate"] as? String { client.invalidate(credentials[name]!) }
        if let route = step["release"] as? String {
            let credential = credentials[step["credential"] as! String]!
            watch(step) { try await self.client.release(route, credential); return "done" }
        }
        if step["clear"] != nil { client.clear() }
        if step["close"] != nil { client.close() }
        if let jwt = step["signIn"] { app.jwts = [jwt as? String] }
        if let wanted = step["expect"] as? Members { try expect(wanted, at) }
    }

    private func get(_ step: Members) {
        let (route, name, body) = (step["get"] as! String, step["as"] as! String, Value(value: step["body"] ?? Members()))
        watch(step) {
            let got = try await self.client.credentials(route, body, forcingRefresh: step["force"] != nil)
            self.credentials[name] = got
            return got.mint.id
        }
    }

    private func watch(_ step: Members, _ act: @escaping @MintActor () async throws -> String) {
        let name = step["as"] as! String
        results[name] = NSNull()
        tasks[name] = Task { @MintActor in
            do { results[name] = try await act() } catch let error as MintError { results[name] = shown(error) } catch { results[name] = "cancelled" }
        }
    }

    /// A failure's facts, after a look for secrets in every text that it could leave in a log.
    private func shown(_ error: MintError) -> Members {
        precondition(!"\(error) \(String(reflecting: error)) \(error.localizedDescription)".contains("secret"))
        return [
            "status": error.status, "code": error.code, "retryable": error.retryable,
            "retryAfter": error.retryAfter as Any? ?? NSNull(), "fault": error.fault as Any? ?? NSNull(),
        ]
    }

    private func expect(_ wanted: Members, _ at: String) throws {
        let got: Members = [
            "results": results, "sent": deployment.sent.count, "last": deployment.sent.last ?? [:], "jwts": app.asked, "refreshes": app.refreshes,
        ]
        try same(wanted, got, at)
    }

    /// Compares those members that `wanted` names.
    private func same(_ wanted: Any, _ got: Any, _ at: String) throws {
        if let parts = wanted as? Members, let whole = got as? Members {
            for (name, part) in parts { try same(part, whole[name] ?? "absent", "\(at): \(name)") }
        } else if try text(wanted) != text(got) {
            throw Unlike(description: "\(at): expected \(wanted), got \(got)")
        }
    }
}

func text(_ value: Any) throws -> String {
    String(decoding: try JSONSerialization.data(withJSONObject: [value], options: .sortedKeys), as: UTF8.self)
}

func routes(_ table: Members) -> [String: Route] {
    table.mapValues { row in
        let route = row as! Members
        let release = (route["release"] as? [String: String]).map { Route.Release(path: $0["path"]!, field: $0["field"]!) }
        return Route(reuse: route["reuse"] as! Bool, slot: (route["slot"] as? String).flatMap(Route.Slot.init), release: release)
    }
}

@MintActor func failures(_ behaviours: [Members]) async -> [String] {
    var failures: [String] = []
    for behaviour in behaviours {
        do { try await Scenario(behaviour).follow() } catch { failures.append("\(behaviour["row"]!): \(behaviour["fact"]!): \(error)") }
    }
    return failures
}

let table = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: CommandLine.arguments[1]))) as! Members
precondition(routes(table["routes"] as! Members) == Route.known, "the client does not know the routes of the table")
nonisolated(unsafe) let behaviours = table["behaviours"] as! [Members]
let found = await failures(behaviours)
found.forEach { print($0) }
print("\(behaviours.count - found.count) of \(behaviours.count) behaviours")
exit(found.isEmpty ? 0 : 1)
