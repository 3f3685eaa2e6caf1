// Mints short-lived vendor credentials from an avatar-mint deployment, for Flutter and Dart 3. It needs package:http.
//
// Copy this file into your app. It is written from clients/behaviours.json, as the other clients are. Nobody has compiled or
// run it: the machines that test this project have no Dart SDK. Only its syntax was parsed.

import 'dart:async';
import 'dart:convert';
import 'dart:math';

import 'package:http/http.dart' as http;

/// The signed-in user's current JWT. With `true`: a new one. It must not call the client.
typedef GetJwt = Future<String> Function(bool forceRefresh);

class MintClient {
  /// [baseUrl]: the stack's output ApiUrl. [routes]: the vendors that you have added. [random]: 0 to 1, for the pauses.
  MintClient({
    required String baseUrl,
    required GetJwt getJwt,
    Map<String, Route> routes = const {},
    http.Client? httpClient,
    MintClock? clock,
    double Function()? random,
  }) : _routes = {...Route.known, ...routes},
       _signIn = _SignIn(getJwt) {
    final base = baseUrl.replaceFirst(RegExp(r'/+$'), '');
    _calls = _Calls(base, httpClient ?? http.Client(), clock ?? DeviceClock(), random ?? Random().nextDouble, _signIn);
  }

  final Map<String, Route> _routes;
  final _SignIn _signIn;
  late final _Calls _calls;
  final Map<String, _Source> _sources = {};
  bool _closed = false;

  /// A credential that is good for a connection now. Throws [MintError].
  ///
  /// [cancelled] ends this caller's wait with a [MintCancelled]; the mint goes on.
  Future<Credential> get(
    String route, {
    Map<String, Object?> body = const {},
    bool forceRefresh = false,
    Future<void>? cancelled,
  }) async {
    if (_closed) throw MintError._ended('closed');
    return _source(route, body).get(cancelled, forceRefresh);
  }

  /// Mints in advance, if that takes no slot. It reports no failure, because [get] tries again.
  void prefetch(String route, {Map<String, Object?> body = const {}}) {
    if (!_closed) _source(route, body).prefetch();
  }

  /// Forgets a credential that the vendor rejected.
  void invalidate(Credential credential) {
    for (final source in _sources.values) {
      source.drop(credential.id);
    }
  }

  /// Says that a connection is over: frees its slot or revokes its token, where the vendor allows it. Throws [MintError].
  Future<void> release(String route, Credential credential) async {
    invalidate(credential);
    final way = _routes[route]?.release;
    if (way != null) await _calls.release(way, credential, _signIn.last);
  }

  /// Forgets everything: for the moment when another user signs in. Calls that wait get `cleared`.
  void clear() => _end(MintError._ended('cleared'));

  /// As [clear], and refuses all later calls with `closed`.
  void close() {
    _closed = true;
    _end(MintError._ended('closed'));
  }

  void _end(MintError error) {
    _signIn.forget();
    final ending = _sources.values.toList();
    _sources.clear();
    for (final source in ending) {
      source.end(error);
    }
  }

  _Source _source(String route, Map<String, Object?> body) =>
      _sources.putIfAbsent('$route ${jsonEncode(_sorted(body))}', () => _newSource(route, body));

  _Source _newSource(String route, Map<String, Object?> body) {
    final known = _routes[route] ?? const Route(reuse: false);
    final call = _Call(route, body, unsafe: known.slot == Slot.unkeyed);
    final keys = _Keys(_calls.clock);
    Future<_Minted> mint(_Unwanted unwanted) =>
        known.slot == Slot.keyed ? _calls.mintOnce(call, keys, unwanted) : _calls.mint(call, unwanted);
    if (known.reuse) return _Reusable(_calls.clock, mint);
    return _PerConnection(mint, known.slot == null ? null : (minted) => _free(known.release, minted));
  }

  Future<void> _free(Release? way, _Minted minted) async {
    if (way == null) return;
    try {
      await _calls.release(way, minted.credential, minted.jwt, replaceable: false);
    } on MintError {
      // The slot then ends by itself.
    }
  }
}

/// The same text for equal values, whatever the order of their members.
Object? _sorted(Object? value) => switch (value) {
  final Map<String, Object?> members => {for (final name in members.keys.toList()..sort()) name: _sorted(members[name])},
  final List<Object?> items => [for (final item in items) _sorted(item)],
  _ => value,
};

/// The vendor's own fields, and what the deployment says about the credential. Its text shows the mint's id alone.
class Credential {
  Credential._(this.fields, this._mint) : id = _mint['id']! as String;

  final Map<String, Object?> fields;
  final Map<String, Object?> _mint;
  final String id;

  /// Seconds from the start of the request, or null if the vendor does not say.
  num? get expiresIn => _mint['expires_in'] as num?;

  bool get _once => _mint['single_use'] == true || _mint['takes_slot'] == true;

  String operator [](String field) => fields[field]! as String;

  @override
  String toString() => 'Credential($id)';
}

class FieldError {
  const FieldError(this.field, this.message);

  final String field;
  final String message;
}

/// Why there is no credential. It holds no JWT, no credential and no text of the connection, so it may be logged.
class MintError implements Exception {
  const MintError(
    this.status,
    this.code,
    this.detail, {
    required this.retryable,
    this.retryAfter,
    this.fault,
    this.errors = const [],
  });

  MintError._ended(String how) : this(0, how, 'the client was $how', retryable: false);

  /// Of HTTP, or 0 if no answer came.
  final int status;

  /// A code of docs/errors.md. If API Gateway refused: `http_401` and so on. From the client itself: `network_error`,
  /// `timeout`, `malformed_answer`, `sign_in_failed`, `cleared` or `closed`.
  final String code;
  final String? detail;

  /// Whether the same call may succeed later.
  final bool retryable;

  /// Seconds to wait first, if known.
  final num? retryAfter;

  /// Who must act, if known: `caller`, `operator` or `vendor`.
  final String? fault;

  /// The wrong fields.
  final List<FieldError> errors;

  @override
  String toString() => detail == null ? code : '$code: $detail';
}

/// The caller stopped waiting.
class MintCancelled implements Exception {
  const MintCancelled();
}

/// A mint takes a paid slot, and accepts an Idempotency-Key or does not.
enum Slot { keyed, unkeyed }

/// Where a client says that it is done, and the field of the credential that it sends.
class Release {
  const Release(this.path, this.field);

  final String path;
  final String field;
}

class Route {
  /// [reuse]: whether one credential may serve several connections until shortly before it expires.
  const Route({required this.reuse, this.slot, this.release});

  final bool reuse;
  final Slot? slot;
  final Release? release;

  /// Convai and Spatius want a credential for each connection, although theirs are not declared as single use.
  static const known = {
    'agora/tokens': Route(reuse: true),
    'convai/tokens': Route(reuse: false, release: Release('convai/tokens/revoke', 'apiAuthToken')),
    'livekit/tokens': Route(reuse: true),
    'odyssey/client-credentials': Route(
      reuse: false,
      slot: Slot.keyed,
      release: Release('odyssey/client-credentials/release', 'session_id'),
    ),
    'spatialgen/keys': Route(reuse: true),
    'spatius/session-tokens': Route(reuse: false),
    'trulience/tokens': Route(reuse: false),
  };
}

/// Seconds. The wall clock may be wrong, and the monotonic one may stop during sleep.
abstract interface class MintClock {
  double get wall;
  double get monotonic;
}

class DeviceClock implements MintClock {
  final Stopwatch _watch = Stopwatch()..start();

  @override
  double get wall => DateTime.now().millisecondsSinceEpoch / 1000;

  @override
  double get monotonic => _watch.elapsedMilliseconds / 1000;
}

const _attempts = 3;
const _secondsPerAttempt = 30.0;
const _secondsPerCall = 60.0;
const _secondsPerRelease = 5.0;
const _longestWait = 10;
const _tinyLife = 10;
const _lastMoments = 5;
const _keyLifetime = 600;

typedef _Unwanted = bool Function();
typedef _Mint = Future<_Minted> Function(_Unwanted unwanted);

class _Moment {
  _Moment(this._clock) : _wall = _clock.wall, _monotonic = _clock.monotonic;

  final MintClock _clock;
  final double _wall;
  final double _monotonic;

  /// Seconds. The larger difference counts, so that neither sleep nor a clock that was put back prolongs a credential.
  double get elapsed => max(_clock.wall - _wall, _clock.monotonic - _monotonic);
}

Duration _duration(num seconds) => Duration(milliseconds: (seconds * 1000).round());

/// The caller's JWT, and the one refresh that all requests share after it was refused.
class _SignIn {
  _SignIn(this._getJwt);

  final GetJwt _getJwt;
  String? _refused;
  Future<String>? _replacement;
  String? last;

  Future<String> jwt() async {
    final jwt = await _ask(false);
    final running = _replacement;
    if (jwt == _refused && running != null) return running;
    return jwt;
  }

  /// The JWT that replaces [jwt]; the same one if the app has no other.
  Future<String> replaced(String jwt) async {
    final known = _refused == jwt ? _replacement : null;
    final running = known ?? _ask(true);
    _refused = jwt;
    _replacement = running;
    var same = true;
    try {
      final next = await running;
      same = next == jwt;
      return next;
    } finally {
      if (same && identical(_replacement, running)) _replacement = null;
    }
  }

  void forget() {
    _refused = null;
    _replacement = null;
    last = null;
  }

  Future<String> _ask(bool force) async {
    try {
      return last = await _getJwt(force);
    } catch (_) {
      throw const MintError(0, 'sign_in_failed', 'getJwt failed', retryable: true);
    }
  }
}

/// unsafe: a lost answer may have taken a slot. jwt: goes with the call at once. replaceable: a new one may follow a 401.
class _Call {
  const _Call(this.path, this.body, {this.unsafe = false, this.key, this.jwt, this.replaceable = true});

  final String path;
  final Map<String, Object?> body;
  final bool unsafe;
  final String? key;
  final String? jwt;
  final bool replaceable;
}

class _Answer {
  const _Answer(this.status, this.body, this.since, this.jwt);

  final int status;
  final Map<String, Object?> body;
  final _Moment since;
  final String jwt;
}

class _Calls {
  _Calls(this._baseUrl, this._http, this.clock, this._random, this._signIn);

  final String _baseUrl;
  final http.Client _http;
  final MintClock clock;
  final double Function() _random;
  final _SignIn _signIn;

  Future<_Minted> mint(_Call call, _Unwanted unwanted) async {
    final answer = await _patiently(call, unwanted);
    final mint = answer.body['mint'];
    if (mint is Map<String, Object?> && mint['id'] is String) {
      return _Minted(Credential._(answer.body, mint), answer.jwt, answer.since);
    }
    throw MintError(answer.status, 'malformed_answer', 'the answer has no mint', retryable: false);
  }

  /// A mint that takes a slot: all tries for one session carry one key.
  Future<_Minted> mintOnce(_Call call, _Keys keys, _Unwanted unwanted) async {
    final key = keys.take();
    try {
      return await mint(_Call(call.path, call.body, key: key.value), unwanted);
    } on MintError catch (error) {
      if (error.retryable) keys.giveBack(key);
      rethrow;
    }
  }

  /// One request, not repeated. A credential that is unknown or cannot be revoked is no error.
  Future<void> release(Release way, Credential credential, String? jwt, {bool replaceable = true}) async {
    final body = {way.field: credential[way.field]};
    try {
      await _once(_Call(way.path, body, jwt: jwt, replaceable: replaceable), _secondsPerRelease);
    } on MintError catch (error) {
      if (error.status != 404 && error.code != 'not_revocable') rethrow;
    }
  }

  /// Tries up to three times. [unwanted]: whether nobody needs the answer any more.
  Future<_Answer> _patiently(_Call call, _Unwanted unwanted) async {
    final start = _Moment(clock);
    for (var tried = 1; ; tried++) {
      try {
        return await _once(call, min(_secondsPerAttempt, _secondsPerCall - start.elapsed));
      } on MintError catch (error) {
        final wait = _waitAfter(error, tried);
        if (wait == null || wait >= _secondsPerCall - start.elapsed) rethrow;
        await Future<void>.delayed(_duration(wait));
        if (unwanted()) rethrow;
      }
    }
  }

  /// Seconds until the next try, or null if the error is final.
  num? _waitAfter(MintError error, int tried) {
    if (!error.retryable || error.code == 'sign_in_failed' || tried >= _attempts) return null;
    final told = error.retryAfter;
    if (told != null) return told <= _longestWait ? told : null;
    return min(8, 0.5 * pow(2, tried - 1)) * (0.75 + 0.25 * _random());
  }

  /// One try within [seconds], the sign-in included.
  Future<_Answer> _once(_Call call, double seconds) => _signedIn(call).timeout(
    _duration(seconds),
    onTimeout: () => throw _noAnswer(call, 'timeout', 'no answer within ${seconds.ceil()} s'),
  );

  /// Sends the request, and once more with a new JWT if the first one is refused.
  Future<_Answer> _signedIn(_Call call) async {
    final jwt = call.jwt ?? await _signIn.jwt();
    try {
      return await _exchange(call, jwt);
    } on MintError catch (error) {
      if (error.status != 401 || !call.replaceable) rethrow;
      final replacement = await _signIn.replaced(jwt);
      if (replacement == jwt) rethrow;
      return _exchange(call, replacement);
    }
  }

  Future<_Answer> _exchange(_Call call, String jwt) async {
    final since = _Moment(clock);
    final answer = await _send(call, jwt);
    final body = _object(answer.body);
    if (answer.statusCode < 200 || answer.statusCode > 299) throw _refusal(call, answer, body);
    return _Answer(answer.statusCode, body, since, jwt);
  }

  /// The connection's own error is not passed on: its text may repeat the header, and with it the JWT.
  Future<http.Response> _send(_Call call, String jwt) async {
    final key = call.key;
    final headers = {
      'Authorization': 'Bearer $jwt',
      'Content-Type': 'application/json',
      if (key != null) 'Idempotency-Key': key,
    };
    try {
      return await _http.post(Uri.parse('$_baseUrl/v1/${call.path}'), headers: headers, body: jsonEncode(call.body));
    } catch (_) {
      throw _noAnswer(call, 'network_error', 'no answer');
    }
  }

  Map<String, Object?> _object(String text) {
    try {
      final read = jsonDecode(text);
      return read is Map<String, Object?> ? read : const {};
    } on FormatException {
      return const {};
    }
  }

  MintError _noAnswer(_Call call, String code, String detail) => MintError(0, code, detail, retryable: !call.unsafe);

  MintError _refusal(_Call call, http.Response answer, Map<String, Object?> body) {
    final status = answer.statusCode;
    final byStatus = !call.unsafe && (status == 408 || status == 429 || status >= 500);
    final errors = body['errors'];
    return MintError(
      status,
      body['code'] as String? ?? 'http_$status',
      body['detail'] as String?,
      retryable: body['retryable'] as bool? ?? byStatus,
      retryAfter: body['retry_after'] as num? ?? num.tryParse(answer.headers['retry-after'] ?? ''),
      fault: body['fault'] as String?,
      errors: [
        if (errors is List<Object?>)
          for (final error in errors.whereType<Map<String, Object?>>()) FieldError('${error['field']}', '${error['message']}'),
      ],
    );
  }
}

/// A credential, the JWT that asked for it, and its life: from the start of its request, by the server's `expires_in`.
class _Minted {
  _Minted(this.credential, this.jwt, this._since) : _seconds = (credential.expiresIn ?? 0).toDouble();

  final Credential credential;
  final String jwt;
  final _Moment _since;
  final double _seconds;

  double get _hard => min(60, _seconds / 4);
  double get _soft => _hard + min(240, _seconds / 4);
  double get left => _seconds - _since.elapsed;
  bool get worthKeeping => _seconds > _tinyLife;

  /// Before the hard margin: good enough to hand out without a request.
  bool get usable => left > _hard;

  /// Before the soft margin: too early for the next one.
  bool get fresh => left > _soft;

  /// Seconds until the next try to replace it, after one failed.
  double get patience => min(30, _seconds / 10);
}

class _Waiter {
  _Waiter({required this.forced});

  final bool forced;
  final Completer<Credential> result = Completer();
}

/// Callers that wait for one result. Each can leave at any time without ending the work.
class _Waiters {
  final List<_Waiter> _waiting = [];

  bool get none => _waiting.isEmpty;

  /// [left]: called if the caller stops waiting.
  Future<Credential> join(Future<void>? cancelled, {required bool forced, void Function()? left}) {
    final waiter = _Waiter(forced: forced);
    _waiting.add(waiter);
    cancelled?.then((_) {
      if (!_waiting.remove(waiter)) return;
      waiter.result.completeError(const MintCancelled());
      left?.call();
    });
    return waiter.result.future;
  }

  void resolve(Credential value) {
    for (final waiter in _taken()) {
      waiter.result.complete(value);
    }
  }

  /// [instead]: what callers get that did not insist on a new result.
  void reject(MintError error, [Credential? instead]) {
    for (final waiter in _taken()) {
      if (instead == null || waiter.forced) {
        waiter.result.completeError(error);
      } else {
        waiter.result.complete(instead);
      }
    }
  }

  List<_Waiter> _taken() {
    final taken = _waiting.toList();
    _waiting.clear();
    return taken;
  }
}

/// Where the credentials of one request come from.
abstract interface class _Source {
  Future<Credential> get(Future<void>? cancelled, bool forced);
  void prefetch();

  /// Forgets the credential of this mint, unless a newer one has replaced it.
  void drop(String mint);

  /// Refuses those who wait. What is on its way is discarded.
  void end(MintError error);
}

class _ReusableFlight {
  _ReusableFlight({required this.forced});

  final bool forced;
}

/// One credential that many connections share, and the one request that renews it.
class _Reusable implements _Source {
  _Reusable(this._clock, this._mint);

  final MintClock _clock;
  final _Mint _mint;
  final _Waiters _waiters = _Waiters();
  _Minted? _held;
  _ReusableFlight? _flight;
  _Moment? _failed;

  @override
  Future<Credential> get(Future<void>? cancelled, bool forced) async {
    final held = _held;
    if (held == null || !held.usable || forced) return _next(cancelled, forced);
    _renew(held);
    return held.credential;
  }

  @override
  void prefetch() {
    final held = _held;
    if (held != null && held.usable) {
      _renew(held);
    } else if (_flight == null) {
      _start(forced: false);
    }
  }

  @override
  void drop(String mint) {
    if (_held?.credential.id == mint) _held = null;
  }

  @override
  void end(MintError error) {
    _held = null;
    _flight = null;
    _waiters.reject(error);
  }

  void _renew(_Minted old) {
    final failed = _failed;
    final coolingDown = failed != null && failed.elapsed < old.patience;
    if (!old.fresh && _flight == null && !coolingDown) _start(forced: false);
  }

  Future<Credential> _next(Future<void>? cancelled, bool forced) {
    final next = _waiters.join(cancelled, forced: forced);
    final running = _flight;
    if (running == null || (forced && !running.forced)) _start(forced: forced);
    return next;
  }

  /// A second flight replaces the first: its waiters wait on, and its result is discarded.
  Future<void> _start({required bool forced}) async {
    final own = _flight = _ReusableFlight(forced: forced);
    bool replaced() => !identical(_flight, own);
    try {
      final minted = await _mint(replaced);
      if (!replaced()) _arrived(minted);
    } on MintError catch (error) {
      if (!replaced()) _refused(error);
    }
  }

  void _arrived(_Minted minted) {
    _flight = null;
    _held = minted.worthKeeping && !minted.credential._once ? minted : null;
    _waiters.resolve(minted.credential);
  }

  void _refused(MintError error) {
    _flight = null;
    _failed = _Moment(_clock);
    if (error.status == 401 || error.status == 403) _held = null;
    final held = _held;
    _waiters.reject(error, error.retryable && held != null && held.left > _lastMoments ? held.credential : null);
  }
}

class _Flight {
  final _Waiters waiters = _Waiters();
  _Minted? landed;
}

/// Credentials that are handed out once. At most one is kept for a caller who has not come yet, unless it takes a slot.
class _PerConnection implements _Source {
  _PerConnection(this._mint, this._free);

  final _Mint _mint;
  final void Function(_Minted minted)? _free;
  final Set<_Flight> _flights = {};
  _Flight? _unclaimed;

  @override
  Future<Credential> get(Future<void>? cancelled, bool forced) async {
    final waiting = forced ? null : _unclaimed;
    _unclaimed = null;
    final landed = waiting?.landed;
    if (landed != null && landed.usable) return landed.credential;
    final flight = waiting != null && landed == null ? waiting : _start();
    return flight.waiters.join(cancelled, forced: forced, left: () => _unclaimed ??= flight);
  }

  @override
  void prefetch() {
    final waiting = _unclaimed;
    if (_free == null && (waiting == null || waiting.landed?.usable == false)) _unclaimed = _start();
  }

  @override
  void drop(String mint) {
    if (_unclaimed?.landed?.credential.id == mint) _unclaimed = null;
  }

  @override
  void end(MintError error) {
    _unclaimed = null;
    final ending = _flights.toList();
    _flights.clear();
    for (final flight in ending) {
      flight.waiters.reject(error);
    }
  }

  _Flight _start() {
    final flight = _Flight();
    _flights.add(flight);
    _fly(flight);
    return flight;
  }

  Future<void> _fly(_Flight flight) async {
    try {
      _landed(flight, await _mint(() => !_flights.contains(flight)));
    } on MintError catch (error) {
      _flights.remove(flight);
      _forget(flight);
      flight.waiters.reject(error);
    }
  }

  void _landed(_Flight flight, _Minted minted) {
    _flights.remove(flight);
    if (!flight.waiters.none) {
      flight.waiters.resolve(minted.credential);
      return;
    }
    if (minted.worthKeeping && _free == null) {
      flight.landed = minted;
    } else {
      _forget(flight);
    }
    _free?.call(minted);
  }

  void _forget(_Flight flight) {
    if (identical(_unclaimed, flight)) _unclaimed = null;
  }
}

class _Key {
  _Key(MintClock clock) : value = _uuid4(), since = _Moment(clock);

  final String value;
  final _Moment since;

  static String _uuid4() {
    final random = Random.secure();
    final bytes = [for (var place = 0; place < 16; place++) random.nextInt(256)];
    bytes[6] = 0x40 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    final hex = bytes.map((byte) => byte.toRadixString(16).padLeft(2, '0')).join();
    return [hex.substring(0, 8), hex.substring(8, 12), hex.substring(12, 16), hex.substring(16, 20), hex.substring(20)].join('-');
  }
}

/// The Idempotency-Keys of calls that may have taken a slot without an answer. The next call uses them again.
class _Keys {
  _Keys(this._clock);

  final MintClock _clock;
  final List<_Key> _pending = [];

  _Key take() {
    _pending.removeWhere((key) => key.since.elapsed >= _keyLifetime);
    return _pending.isEmpty ? _Key(_clock) : _pending.removeAt(0);
  }

  void giveBack(_Key key) => _pending.add(key);
}
