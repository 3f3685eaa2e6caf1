// Mints short-lived vendor credentials from an avatar-mint deployment, for iOS 16, macOS 13 and later. Swift 6, no packages.
//
// Copy this file into your app. It is written from clients/behaviours.json, as the other clients are.
// We ran that table with Swift 6.0.3 on Linux. Nobody has run it on a device, and CI has no Swift: `make clients` does not run it.

import Foundation
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// Where all state of the clients is used, one step at a time.
@globalActor public actor MintActor {
    public static let shared = MintActor()
}

@MintActor public final class MintClient {
    private let signIn: SignIn
    private let calls: Calls
    private let routes: [String: Route]
    private var sources: [String: any Source] = [:]
    private var closed = false

    /// - Parameters:
    ///   - baseURL: the stack's output ApiUrl.
    ///   - routes: the vendors that you have added.
    ///   - random: 0 to 1, for the pauses between tries.
    ///   - jwt: the signed-in user's current JWT. With `true`: a new one. It must not call this client.
    public nonisolated init(
        baseURL: String, routes: [String: Route] = [:], transport: any MintTransport = URLSessionTransport(),
        clock: any MintClock = DeviceClock(), random: @escaping @Sendable () -> Double = { .random(in: 0...1) },
        jwt: @escaping @Sendable (_ forcingRefresh: Bool) async throws -> String
    ) {
        signIn = SignIn(jwt: jwt)
        let base = baseURL.hasSuffix("/") ? String(baseURL.dropLast()) : baseURL
        calls = Calls(base: base, transport: transport, clock: clock, random: random, signIn: signIn)
        self.routes = Route.known.merging(routes) { $1 }
    }

    /// A credential that is good for a connection now. Cancelling ends this wait; the mint goes on. Throws `MintError`.
    public func credentials(
        _ route: String, _ body: some Encodable & Sendable = [String: String](), forcingRefresh: Bool = false
    ) async throws -> Credential {
        try Task.checkCancellation()
        if closed { throw MintError.ended("closed") }
        return try await source(route, body).get(forced: forcingRefresh)
    }

    /// Mints in advance, if that takes no slot. It reports no failure, because `credentials` tries again.
    public func prefetch(_ route: String, _ body: some Encodable & Sendable = [String: String]()) {
        if !closed { try? source(route, body).prefetch() }
    }

    /// Forgets a credential that the vendor rejected.
    public func invalidate(_ credential: Credential) {
        for source in sources.values { source.drop(credential.mint.id) }
    }

    /// Says that a connection is over: frees its slot or revokes its token, where the vendor allows it. Throws `MintError`.
    public func release(_ route: String, _ credential: Credential) async throws {
        invalidate(credential)
        if let way = routes[route]?.release { try await calls.release(way, credential, jwt: signIn.last) }
    }

    /// Forgets everything: for the moment when another user signs in. Calls that wait get `cleared`.
    public func clear() { end(.ended("cleared")) }

    /// As `clear`, and refuses all later calls with `closed`.
    public func close() {
        closed = true
        end(.ended("closed"))
    }

    private func end(_ error: MintError) {
        signIn.forget()
        let ending = sources.values
        sources = [:]
        for source in ending { source.end(error) }
    }

    /// Sorted keys give the same text for equal bodies, whatever the order of their members.
    private func source(_ route: String, _ body: some Encodable) throws -> any Source {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let data = try encoder.encode(body)
        let name = "\(route) \(String(decoding: data, as: UTF8.self))"
        if let known = sources[name] { return known }
        let source = newSource(route, data)
        sources[name] = source
        return source
    }

    private func newSource(_ route: String, _ body: Data) -> any Source {
        let known = routes[route] ?? Route(reuse: false)
        let call = Call(path: route, body: body, unsafe: known.slot == .unkeyed)
        let keys = Keys(clock: calls.clock)
        let mint: Mint = { [calls] unwanted in
            known.slot == .keyed
                ? try await calls.mintOnce(call, keys, unwanted: unwanted) : try await calls.mint(call, unwanted: unwanted)
        }
        if known.reuse { return Reusable(clock: calls.clock, mint: mint) }
        if known.slot == nil { return PerConnection(mint: mint, free: nil) }
        return PerConnection(mint: mint) { [calls] minted in
            guard let way = known.release else { return }
            Task { try? await calls.release(way, minted.credential, jwt: minted.jwt, replaceable: false) }
        }
    }
}

/// The vendor's own fields, and what the deployment says about the credential. Its text shows the mint's id alone.
public struct Credential: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public struct Mint: Decodable, Sendable {
        public let id: String
        /// Seconds from the start of the request, or nil if the vendor does not say.
        public let expires_in: Double?
        let single_use: Bool?
        let takes_slot: Bool?
    }

    private struct Envelope: Decodable {
        let mint: Mint
    }

    public let mint: Mint
    /// The answer, for a decoder of your own.
    public let data: Data

    init(data: Data) throws {
        mint = try JSONDecoder().decode(Envelope.self, from: data).mint
        self.data = data
    }

    /// A field that is a text.
    public subscript(field: String) -> String? {
        (try? JSONSerialization.jsonObject(with: data) as? [String: Any])?[field] as? String
    }

    public func decoded<Fields: Decodable>(_ type: Fields.Type = Fields.self) throws -> Fields {
        try JSONDecoder().decode(type, from: data)
    }

    public var description: String { "Credential(\(mint.id))" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: ["id": mint.id]) }
}

/// Why there is no credential. It holds no JWT, no credential and no text of the connection, so it may be logged.
public struct MintError: Error, Sendable, CustomStringConvertible {
    public struct Field: Decodable, Sendable {
        public let field: String
        public let message: String
    }

    /// Of HTTP, or 0 if no answer came.
    public let status: Int
    /// A code of docs/errors.md. If API Gateway refused: `http_401` and so on. From the client itself: `network_error`,
    /// `timeout`, `malformed_answer`, `sign_in_failed`, `cleared` or `closed`.
    public let code: String
    public let detail: String?
    /// Whether the same call may succeed later.
    public let retryable: Bool
    /// Seconds to wait first, if known.
    public var retryAfter: Double?
    /// Who must act, if known: `caller`, `operator` or `vendor`.
    public var fault: String?
    /// The wrong fields.
    public var errors: [Field] = []

    public var description: String { [code, detail].compactMap { $0 }.joined(separator: ": ") }

    static func ended(_ how: String) -> MintError {
        MintError(status: 0, code: how, detail: "the client was \(how)", retryable: false)
    }
}

public struct Route: Sendable, Equatable {
    /// A mint takes a paid slot, and accepts an Idempotency-Key or does not.
    public enum Slot: String, Sendable { case keyed, unkeyed }

    /// Where a client says that it is done, and the field of the credential that it sends.
    public struct Release: Sendable, Equatable {
        public let path: String
        public let field: String

        public init(path: String, field: String) {
            self.path = path
            self.field = field
        }
    }

    public let reuse: Bool
    public let slot: Slot?
    public let release: Release?

    /// - Parameter reuse: whether one credential may serve several connections until shortly before it expires.
    public init(reuse: Bool, slot: Slot? = nil, release: Release? = nil) {
        self.reuse = reuse
        self.slot = slot
        self.release = release
    }

    /// Convai and Spatius want a credential for each connection, although theirs are not declared as single use.
    public static let known: [String: Route] = [
        "agora/tokens": Route(reuse: true),
        "convai/tokens": Route(reuse: false, release: Release(path: "convai/tokens/revoke", field: "apiAuthToken")),
        "livekit/tokens": Route(reuse: true),
        "odyssey/client-credentials": Route(
            reuse: false, slot: .keyed, release: Release(path: "odyssey/client-credentials/release", field: "session_id")),
        "spatialgen/keys": Route(reuse: true),
        "spatius/session-tokens": Route(reuse: false),
        "trulience/tokens": Route(reuse: false),
    ]
}

public struct MintRequest: Sendable {
    public let url: String
    public let headers: [String: String]
    public let body: Data
}

public struct MintAnswer: Sendable {
    public let status: Int
    public let body: Data
    /// The header.
    public let retryAfter: String?

    public init(status: Int, body: Data, retryAfter: String?) {
        self.status = status
        self.body = body
        self.retryAfter = retryAfter
    }
}

/// Sends one POST. Throws any error if no answer came.
public protocol MintTransport: Sendable {
    func send(_ request: MintRequest) async throws -> MintAnswer
}

public struct URLSessionTransport: MintTransport {
    public init() {}

    public func send(_ request: MintRequest) async throws -> MintAnswer {
        guard let url = URL(string: request.url) else { throw URLError(.badURL) }
        var sent = URLRequest(url: url, cachePolicy: .reloadIgnoringLocalCacheData, timeoutInterval: 60)
        sent.httpMethod = "POST"
        sent.httpBody = request.body
        for (name, value) in request.headers { sent.setValue(value, forHTTPHeaderField: name) }
        let (body, answer) = try await URLSession.shared.data(for: sent)
        guard let answer = answer as? HTTPURLResponse else { throw URLError(.badServerResponse) }
        let retryAfter = answer.value(forHTTPHeaderField: "Retry-After")
        return MintAnswer(status: answer.statusCode, body: body, retryAfter: retryAfter)
    }
}

/// Seconds. The wall clock may be wrong, and a monotonic one may stop during sleep.
public protocol MintClock: Sendable {
    var wall: Double { get }
    var monotonic: Double { get }
    func sleep(_ seconds: Double) async throws
}

public struct DeviceClock: MintClock {
    private let start = ContinuousClock.now

    public init() {}

    public var wall: Double { Date().timeIntervalSince1970 }

    public var monotonic: Double {
        let (seconds, attoseconds) = (ContinuousClock.now - start).components
        return Double(seconds) + Double(attoseconds) / 1e18
    }

    public func sleep(_ seconds: Double) async throws { try await Task.sleep(for: .seconds(seconds)) }
}

private typealias Mint = @MintActor (_ unwanted: @escaping @MintActor () -> Bool) async throws -> Minted

private struct Moment: Sendable {
    private let clock: any MintClock
    private let wall: Double
    private let monotonic: Double

    init(_ clock: any MintClock) {
        self.clock = clock
        wall = clock.wall
        monotonic = clock.monotonic
    }

    /// Seconds. The larger difference counts, so that neither sleep nor a clock that was put back prolongs a credential.
    var elapsed: Double { max(clock.wall - wall, clock.monotonic - monotonic) }
}

/// A result that several wait for. A task's `value` does not do, because a cancelled waiter returns from it late.
@MintActor private final class Promise<Value: Sendable> {
    private var result: Result<Value, any Error>?
    private var waiting: [CheckedContinuation<Value, any Error>] = []

    var pending: Bool { result == nil }

    var value: Value {
        get async throws {
            if let result { return try result.get() }
            return try await withCheckedThrowingContinuation { waiting.append($0) }
        }
    }

    /// The first result counts.
    func finish(_ result: Result<Value, any Error>) {
        guard self.result == nil else { return }
        self.result = result
        for continuation in waiting { continuation.resume(with: result) }
        waiting = []
    }

    func finish(by work: @escaping @MintActor () async throws -> Value) -> Task<Void, Never> {
        Task { @MintActor in
            do { self.finish(.success(try await work())) } catch { self.finish(.failure(error)) }
        }
    }
}

/// The caller's JWT, and the one refresh that all requests share after it was refused.
@MintActor private final class SignIn {
    private let getJwt: @Sendable (Bool) async throws -> String
    private var refused: String?
    private var replacement: Promise<String>?
    private(set) var last: String?

    nonisolated init(jwt: @escaping @Sendable (Bool) async throws -> String) { getJwt = jwt }

    func jwt() async throws -> String {
        let jwt = try await ask(false)
        if jwt == refused, let replacement { return try await replacement.value }
        return jwt
    }

    /// The JWT that replaces this one; the same one if the app has no other.
    func replaced(_ jwt: String) async throws -> String {
        let running = refused == jwt ? replacement ?? refresh() : refresh()
        refused = jwt
        replacement = running
        do {
            let next = try await running.value
            if next == jwt { drop(running) }
            return next
        } catch {
            drop(running)
            throw error
        }
    }

    func forget() { (refused, replacement, last) = (nil, nil, nil) }

    private func refresh() -> Promise<String> {
        let promise = Promise<String>()
        _ = promise.finish { try await self.ask(true) }
        return promise
    }

    private func drop(_ promise: Promise<String>) {
        if replacement === promise { replacement = nil }
    }

    private func ask(_ force: Bool) async throws -> String {
        do {
            let jwt = try await getJwt(force)
            last = jwt
            return jwt
        } catch {
            throw MintError(status: 0, code: "sign_in_failed", detail: "the app has no JWT", retryable: true)
        }
    }
}

/// unsafe: a lost answer may have taken a slot. jwt: goes with the call at once. replaceable: a new one may follow a 401.
private struct Call: Sendable {
    var path: String
    var body: Data
    var unsafe = false
    var key: String?
    var jwt: String?
    var replaceable = true
}

private struct Answer: Sendable {
    let status: Int
    let body: Data
    let since: Moment
    let jwt: String
}

private struct Problem: Decodable {
    var code: String?
    var detail: String?
    var retryable: Bool?
    var retry_after: Double?
    var fault: String?
    var errors: [MintError.Field]?
}

@MintActor private final class Calls {
    private static let attempts = 3
    private static let secondsPerAttempt = 30.0
    private static let secondsPerCall = 60.0
    private static let secondsPerRelease = 5.0
    private static let longestWait = 10.0

    private let base: String
    private let transport: any MintTransport
    let clock: any MintClock
    private let random: @Sendable () -> Double
    private let signIn: SignIn

    nonisolated init(
        base: String, transport: any MintTransport, clock: any MintClock, random: @escaping @Sendable () -> Double, signIn: SignIn
    ) {
        self.base = base
        self.transport = transport
        self.clock = clock
        self.random = random
        self.signIn = signIn
    }

    func mint(_ call: Call, unwanted: @MintActor () -> Bool) async throws -> Minted {
        let answer = try await patiently(call, unwanted: unwanted)
        guard let credential = try? Credential(data: answer.body) else {
            throw MintError(status: answer.status, code: "malformed_answer", detail: "the answer has no mint", retryable: false)
        }
        return Minted(credential: credential, jwt: answer.jwt, since: answer.since)
    }

    /// A mint that takes a slot: all tries for one session carry one key.
    func mintOnce(_ call: Call, _ keys: Keys, unwanted: @MintActor () -> Bool) async throws -> Minted {
        let key = keys.take()
        var keyed = call
        keyed.key = key.value
        do {
            return try await mint(keyed, unwanted: unwanted)
        } catch let error as MintError {
            if error.retryable { keys.giveBack(key) }
            throw error
        }
    }

    /// One request, not repeated. A credential that is unknown or cannot be revoked is no error.
    func release(_ way: Route.Release, _ credential: Credential, jwt: String?, replaceable: Bool = true) async throws {
        let body = try JSONEncoder().encode([way.field: credential[way.field]])
        do {
            _ = try await once(Call(path: way.path, body: body, jwt: jwt, replaceable: replaceable), Self.secondsPerRelease)
        } catch let error as MintError where error.status == 404 || error.code == "not_revocable" {}
    }

    /// Tries up to three times. unwanted: whether nobody needs the answer any more.
    private func patiently(_ call: Call, unwanted: @MintActor () -> Bool) async throws -> Answer {
        let start = Moment(clock)
        for tried in 1... {
            do {
                return try await once(call, min(Self.secondsPerAttempt, Self.secondsPerCall - start.elapsed))
            } catch let error as MintError {
                guard let wait = waitAfter(error, tried), wait < Self.secondsPerCall - start.elapsed else { throw error }
                try await clock.sleep(wait)
                if unwanted() { throw error }
            }
        }
        fatalError("the loop ends with an answer or an error")
    }

    /// Seconds until the next try, or nil if the error is final.
    private func waitAfter(_ error: MintError, _ tried: Int) -> Double? {
        if !error.retryable || error.code == "sign_in_failed" || tried >= Self.attempts { return nil }
        if let told = error.retryAfter { return told <= Self.longestWait ? told : nil }
        return min(8, 0.5 * pow(2, Double(tried - 1))) * (0.75 + 0.25 * random())
    }

    /// One try within so many seconds, the sign-in included.
    private func once(_ call: Call, _ seconds: Double) async throws -> Answer {
        let answer = Promise<Answer>()
        let work = answer.finish { try await self.signedIn(call) }
        let timer = Task { @MintActor in
            guard (try? await clock.sleep(seconds)) != nil else { return }
            answer.finish(.failure(noAnswer(call, "timeout", "no answer within \(Int(seconds.rounded(.up))) s")))
            work.cancel()
        }
        defer { timer.cancel() }
        return try await answer.value
    }

    /// Sends the request, and once more with a new JWT if the first one is refused.
    private func signedIn(_ call: Call) async throws -> Answer {
        let jwt: String
        if let given = call.jwt { jwt = given } else { jwt = try await signIn.jwt() }
        do {
            return try await exchange(call, jwt)
        } catch let error as MintError where error.status == 401 && call.replaceable {
            let replacement = try await signIn.replaced(jwt)
            if replacement == jwt || Task.isCancelled { throw error }
            return try await exchange(call, replacement)
        }
    }

    private func exchange(_ call: Call, _ jwt: String) async throws -> Answer {
        let since = Moment(clock)
        let answer = try await send(call, jwt)
        guard (200...299).contains(answer.status) else { throw refusal(call, answer) }
        return Answer(status: answer.status, body: answer.body, since: since, jwt: jwt)
    }

    /// The connection's own error is not passed on: its text may repeat the header, and with it the JWT.
    private func send(_ call: Call, _ jwt: String) async throws -> MintAnswer {
        var headers = ["Authorization": "Bearer \(jwt)", "Content-Type": "application/json"]
        headers["Idempotency-Key"] = call.key
        do {
            return try await transport.send(MintRequest(url: "\(base)/v1/\(call.path)", headers: headers, body: call.body))
        } catch {
            throw noAnswer(call, "network_error", "no answer")
        }
    }

    private func noAnswer(_ call: Call, _ code: String, _ detail: String) -> MintError {
        MintError(status: 0, code: code, detail: detail, retryable: !call.unsafe)
    }

    private func refusal(_ call: Call, _ answer: MintAnswer) -> MintError {
        let told = (try? JSONDecoder().decode(Problem.self, from: answer.body)) ?? Problem()
        let status = answer.status
        let byStatus = !call.unsafe && (status == 408 || status == 429 || status >= 500)
        return MintError(
            status: status, code: told.code ?? "http_\(status)", detail: told.detail, retryable: told.retryable ?? byStatus,
            retryAfter: told.retry_after ?? answer.retryAfter.flatMap(Double.init), fault: told.fault, errors: told.errors ?? [])
    }
}

/// A credential, the JWT that asked for it, and its life: from the start of its request, by the server's `expires_in`.
private struct Minted: Sendable {
    private static let tinyLife = 10.0

    let credential: Credential
    let jwt: String
    let since: Moment

    private var seconds: Double { credential.mint.expires_in ?? 0 }
    private var hard: Double { min(60, seconds / 4) }
    private var soft: Double { hard + min(240, seconds / 4) }
    var left: Double { seconds - since.elapsed }
    var worthKeeping: Bool { seconds > Self.tinyLife }

    /// Before the hard margin: good enough to hand out without a request.
    var usable: Bool { left > hard }

    /// Before the soft margin: too early for the next one.
    var fresh: Bool { left > soft }

    /// Seconds until the next try to replace it, after one failed.
    var patience: Double { min(30, seconds / 10) }
}

/// Callers that wait for one result. Each can leave at any time without ending the work.
@MintActor private final class Waiters {
    private struct Waiter {
        let promise: Promise<Credential>
        let forced: Bool
    }

    private var waiting: [ObjectIdentifier: Waiter] = [:]

    var none: Bool { waiting.isEmpty }

    func add(forced: Bool) -> Promise<Credential> {
        let promise = Promise<Credential>()
        waiting[ObjectIdentifier(promise)] = Waiter(promise: promise, forced: forced)
        return promise
    }

    /// left: called if the caller stops waiting.
    func wait(for promise: Promise<Credential>, left: @escaping @MintActor () -> Void = {}) async throws -> Credential {
        try await withTaskCancellationHandler {
            try await promise.value
        } onCancel: {
            Task { @MintActor in
                guard self.waiting.removeValue(forKey: ObjectIdentifier(promise)) != nil else { return }
                promise.finish(.failure(CancellationError()))
                left()
            }
        }
    }

    func resolve(_ value: Credential) {
        for waiter in taken() { waiter.promise.finish(.success(value)) }
    }

    /// instead: what callers get that did not insist on a new result.
    func reject(_ error: MintError, instead: Credential? = nil) {
        for waiter in taken() {
            if let instead, !waiter.forced { waiter.promise.finish(.success(instead)) } else { waiter.promise.finish(.failure(error)) }
        }
    }

    private func taken() -> [Waiter] {
        defer { waiting = [:] }
        return Array(waiting.values)
    }
}

/// Where the credentials of one request come from.
@MintActor private protocol Source: AnyObject {
    func get(forced: Bool) async throws -> Credential
    func prefetch()

    /// Forgets the credential of this mint, unless a newer one has replaced it.
    func drop(_ mint: String)

    /// Refuses those who wait. What is on its way is discarded.
    func end(_ error: MintError)
}

/// One credential that many connections share, and the one request that renews it.
private final class Reusable: Source {
    private static let lastMoments = 5.0

    private final class Flight {
        let forced: Bool

        init(forced: Bool) { self.forced = forced }
    }

    private let clock: any MintClock
    private let mint: Mint
    private let waiters = Waiters()
    private var held: Minted?
    private var flight: Flight?
    private var failed: Moment?

    init(clock: any MintClock, mint: @escaping Mint) {
        self.clock = clock
        self.mint = mint
    }

    func get(forced: Bool) async throws -> Credential {
        guard let held, held.usable, !forced else { return try await next(forced) }
        renew(held)
        return held.credential
    }

    func prefetch() {
        if let held, held.usable { renew(held) } else if flight == nil { start(forced: false) }
    }

    func drop(_ mint: String) {
        if held?.credential.mint.id == mint { held = nil }
    }

    func end(_ error: MintError) {
        (held, flight) = (nil, nil)
        waiters.reject(error)
    }

    private func renew(_ old: Minted) {
        let coolingDown = failed.map { $0.elapsed < old.patience } ?? false
        if !old.fresh && flight == nil && !coolingDown { start(forced: false) }
    }

    private func next(_ forced: Bool) async throws -> Credential {
        let promise = waiters.add(forced: forced)
        if flight == nil || (forced && flight?.forced == false) { start(forced: forced) }
        return try await waiters.wait(for: promise)
    }

    /// A second flight replaces the first: its waiters wait on, and its result is discarded.
    private func start(forced: Bool) {
        let own = Flight(forced: forced)
        flight = own
        Task { @MintActor in
            do {
                let minted = try await mint { self.flight !== own }
                if flight === own { arrived(minted) }
            } catch let error as MintError {
                if flight === own { refused(error) }
            }
        }
    }

    private func arrived(_ minted: Minted) {
        flight = nil
        let once = minted.credential.mint.single_use == true || minted.credential.mint.takes_slot == true
        held = minted.worthKeeping && !once ? minted : nil
        waiters.resolve(minted.credential)
    }

    private func refused(_ error: MintError) {
        flight = nil
        failed = Moment(clock)
        if error.status == 401 || error.status == 403 { held = nil }
        let old = held.flatMap { error.retryable && $0.left > Self.lastMoments ? $0.credential : nil }
        waiters.reject(error, instead: old)
    }
}

/// Credentials that are handed out once. At most one is kept for a caller who has not come yet, unless it takes a slot.
private final class PerConnection: Source {
    @MintActor private final class Flight {
        let waiters = Waiters()
        var landed: Minted?
    }

    private let mint: Mint
    private let free: (@MintActor (Minted) -> Void)?
    private var unclaimed: Flight?
    private var flights: [ObjectIdentifier: Flight] = [:]

    init(mint: @escaping Mint, free: (@MintActor (Minted) -> Void)?) {
        self.mint = mint
        self.free = free
    }

    func get(forced: Bool) async throws -> Credential {
        let waiting = forced ? nil : unclaimed
        unclaimed = nil
        if let landed = waiting?.landed, landed.usable { return landed.credential }
        let flight = waiting.flatMap { $0.landed == nil ? $0 : nil } ?? start()
        return try await flight.waiters.wait(for: flight.waiters.add(forced: forced)) {
            self.unclaimed = self.unclaimed ?? flight
        }
    }

    func prefetch() {
        if free == nil && (unclaimed == nil || unclaimed?.landed?.usable == false) { unclaimed = start() }
    }

    func drop(_ mint: String) {
        if unclaimed?.landed?.credential.mint.id == mint { unclaimed = nil }
    }

    func end(_ error: MintError) {
        let ending = flights.values
        (unclaimed, flights) = (nil, [:])
        for flight in ending { flight.waiters.reject(error) }
    }

    private func start() -> Flight {
        let flight = Flight()
        let name = ObjectIdentifier(flight)
        flights[name] = flight
        Task { @MintActor in
            do {
                landed(flight, try await mint { self.flights[name] == nil })
            } catch let error as MintError {
                flights[name] = nil
                forget(flight)
                flight.waiters.reject(error)
            }
        }
        return flight
    }

    private func landed(_ flight: Flight, _ minted: Minted) {
        flights[ObjectIdentifier(flight)] = nil
        if !flight.waiters.none { return flight.waiters.resolve(minted.credential) }
        if minted.worthKeeping && free == nil { flight.landed = minted } else { forget(flight) }
        free?(minted)
    }

    private func forget(_ flight: Flight) {
        if unclaimed === flight { unclaimed = nil }
    }
}

private struct Key: Sendable {
    let value = UUID().uuidString.lowercased()
    let since: Moment
}

/// The Idempotency-Keys of calls that may have taken a slot without an answer. The next call uses them again.
@MintActor private final class Keys {
    private static let lifetime = 600.0

    private let clock: any MintClock
    private var pending: [Key] = []

    init(clock: any MintClock) { self.clock = clock }

    func take() -> Key {
        pending.removeAll { $0.since.elapsed >= Self.lifetime }
        return pending.isEmpty ? Key(since: Moment(clock)) : pending.removeFirst()
    }

    func giveBack(_ key: Key) { pending.append(key) }
}
