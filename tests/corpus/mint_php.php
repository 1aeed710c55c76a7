<?php
/**
 * Mint session secrets with PHP and its frameworks.
 *
 * Writes kinds as JSON Lines for contexts.py. Needs Illuminate\Encryption and
 * Illuminate\Cookie (Laravel) and symfony/security-csrf on the include path.
 * Lines marked "native" were written by PHP's own print_r, var_dump and var_export.
 */
declare(strict_types=1);

foreach (['Illuminate/Encryption', 'Illuminate/Cookie', 'Symfony/Component/Security/Csrf'] as $component) {
    $file = stream_resolve_include_path("$component/autoload.php");
    if ($file !== false) {
        require_once $file;
    }
}

const KEY = 'corpus-key-not-used-anywhere-else';
const MANY = 10;

function emit(array $kind): void
{
    echo json_encode($kind, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_THROW_ON_ERROR), "\n";
}

/** @return list<string> */
function several(callable $mint, int $count = MANY): array
{
    return array_map($mint, range(0, $count - 1));
}

/** What print_r, var_dump, var_export and a query string make of an array holding the secret. */
function native(string $name, string $value): array
{
    $data = ['user_id' => 42, $name => $value, 'request_id' => bin2hex(random_bytes(16))];
    ob_start();
    var_dump($data);
    $dumped = (string) ob_get_clean();
    $escaped = substr(json_encode($value, JSON_THROW_ON_ERROR), 1, -1);
    return [
        ['context' => 'php-native-print-r', 'text' => print_r($data, true), 'secrets' => [$value]],
        ['context' => 'php-native-var-dump', 'text' => $dumped, 'secrets' => [$value]],
        ['context' => 'php-native-var-export', 'text' => var_export($data, true), 'secrets' => [$value]],
        ['context' => 'php-native-json', 'text' => json_encode($data, JSON_THROW_ON_ERROR), 'secrets' => [$escaped]],
        ['context' => 'php-native-serialize', 'text' => serialize($data), 'secrets' => [$value]],
        ['context' => 'php-native-query', 'text' => 'GET /index.php?' . http_build_query($data) . ' HTTP/1.1', 'secrets' => [urlencode($value)]],
    ];
}

function sessions(): void
{
    $by = 'PHP ' . PHP_VERSION;
    $ids = several(static fn (): string => session_create_id());
    emit(['kind' => 'php-session', 'made_by' => $by, 'name' => 'PHPSESSID', 'values' => $ids, 'carriers' => ['cookie', 'field'], 'noun' => 'session', 'named' => 12, 'native' => native('PHPSESSID', session_create_id())]);
    // What session.sid_length=48 with sid_bits_per_character=6 looks like.
    $long = static fn (): string => substr(strtr(base64_encode(random_bytes(36)), '+/', '-,'), 0, 48);
    emit(['kind' => 'php-session-long', 'made_by' => $by, 'name' => 'PHPSESSID', 'values' => several($long), 'carriers' => ['cookie'], 'noun' => 'session', 'named' => 6, 'unnamed' => 1]);
    $name = 'SESS' . substr(hash('sha256', 'www.example.com'), 0, 32);
    emit(['kind' => 'drupal-session', 'made_by' => $by . ' (format of Drupal)', 'name' => $name, 'member' => 'session_id', 'values' => several(static fn (): string => strtr(base64_encode(random_bytes(32)), ['+' => '-', '/' => '_', '=' => ''])), 'carriers' => ['cookie'], 'noun' => 'session', 'named' => 6, 'unnamed' => 2]);
    emit(['kind' => 'codeigniter-session', 'made_by' => $by . ' (format of CodeIgniter)', 'name' => 'ci_session', 'values' => several(static fn (): string => session_create_id()), 'carriers' => ['cookie'], 'noun' => 'session', 'named' => 5, 'unnamed' => 1]);
    emit(['kind' => 'magento-form-key', 'made_by' => $by . ' (format of Magento)', 'name' => 'form_key', 'values' => several(static fn (): string => substr(str_replace(['+', '/', '='], '', base64_encode(random_bytes(32))), 0, 16)), 'carriers' => ['field', 'cookie'], 'noun' => 'form key', 'named' => 6, 'unnamed' => 1]);
}

function laravel(): void
{
    $encrypter = new Illuminate\Encryption\Encrypter(hash('sha256', KEY, true), 'AES-256-CBC');
    $gcm = new Illuminate\Encryption\Encrypter(hash('sha256', KEY, true), 'AES-256-GCM');
    $cookie = static function (string $name, string $value, ?Illuminate\Encryption\Encrypter $with = null) use ($encrypter): string {
        $key = hash('sha256', KEY, true);
        $prefixed = Illuminate\Cookie\CookieValuePrefix::create($name, $key) . $value;
        return rawurlencode(($with ?? $encrypter)->encrypt($prefixed, false));
    };
    $by = 'illuminate/encryption 8.83';
    $letters = static fn (int $length): string => substr(str_replace(['/', '+', '='], '', base64_encode(random_bytes($length * 2))), 0, $length);
    $remember = 'remember_web_' . sha1('Illuminate\Auth\SessionGuard');
    $common = ['made_by' => $by, 'carriers' => ['cookie'], 'told_by_shape' => true];
    $csrf = $cookie('XSRF-TOKEN', $letters(40));
    emit($common + ['kind' => 'laravel-session', 'name' => 'laravel_session', 'noun' => 'session', 'named' => 12, 'beside' => [['XSRF-TOKEN', $csrf]], 'values' => several(static fn (): string => $cookie('laravel_session', $letters(40))), 'native' => native('laravel_session', rawurldecode($cookie('laravel_session', $letters(40))))]);
    emit($common + ['kind' => 'laravel-session-gcm', 'name' => 'shop_session', 'noun' => 'session', 'named' => 6, 'values' => several(static fn (): string => $cookie('shop_session', $letters(40), $gcm))]);
    emit(['carriers' => ['cookie', 'header'], 'header' => 'X-XSRF-TOKEN', 'kind' => 'laravel-xsrf', 'name' => 'XSRF-TOKEN', 'noun' => 'XSRF token', 'values' => several(static fn (): string => $cookie('XSRF-TOKEN', $letters(40)))] + $common);
    emit($common + ['kind' => 'laravel-remember', 'name' => $remember, 'member' => 'remember_web', 'noun' => 'remember-me cookie', 'values' => several(static fn (int $n): string => $cookie($remember, "$n|" . $letters(60) . '|$2y$10$' . $letters(53)))]);
    emit(['kind' => 'laravel-csrf-field', 'made_by' => $by . ' (format)', 'name' => '_token', 'member' => 'csrf_token', 'header' => 'X-CSRF-TOKEN', 'values' => several(static fn (): string => $letters(40)), 'carriers' => ['field', 'header'], 'noun' => 'CSRF token']);
    emit(['kind' => 'laravel-sanctum', 'made_by' => $by . ' (format of Sanctum)', 'name' => 'token', 'member' => 'plain_text_token', 'values' => several(static fn (int $n): string => ($n + 1) . '|' . $letters(40) . hash('crc32b', "$n")), 'carriers' => ['auth', 'field'], 'noun' => 'personal access token']);
    emit(['kind' => 'laravel-reset', 'made_by' => $by . ' (format)', 'name' => 'token', 'member' => 'reset_token', 'values' => several(static fn (): string => hash_hmac('sha256', random_bytes(20), KEY)), 'carriers' => ['path'], 'link' => '/password/reset/{token}?email=user%40example.com', 'noun' => 'password reset token', 'named' => 8, 'unnamed' => 2]);
}

function symfony(): void
{
    // TokenBasedRememberMeServices: class, user, expiry and signature, joined and in base64.
    $remember = static function (int $n): string {
        $parts = ['App\Entity\User', base64_encode("user$n@example.com"), (string) (1774000000 + $n)];
        $parts[] = hash_hmac('sha256', implode(':', [...$parts, 'hash']), KEY);
        return rawurlencode(base64_encode(implode(':', $parts)));
    };
    emit(['kind' => 'symfony-rememberme', 'made_by' => 'PHP ' . PHP_VERSION . ' (format of Symfony 5.4)', 'name' => 'REMEMBERME', 'values' => several($remember), 'carriers' => ['cookie'], 'noun' => 'remember-me cookie']);
    $generator = new Symfony\Component\Security\Csrf\TokenGenerator\UriSafeTokenGenerator();
    emit(['kind' => 'symfony-csrf', 'made_by' => 'symfony/security-csrf 5.4', 'name' => '_csrf_token', 'values' => several(static fn (): string => $generator->generateToken()), 'carriers' => ['field'], 'noun' => 'CSRF token']);
}

function wordpress(): void
{
    $by = 'PHP ' . PHP_VERSION . ' (format of WordPress 6)';
    $site = md5('https://www.example.com');
    $cookie = static function (int $n) use ($site): string {
        $token = substr(str_replace(['/', '+', '='], '', base64_encode(random_bytes(64))), 0, 43);
        $expires = 1774000000 + $n;
        return rawurlencode("editor$n|$expires|$token|" . hash_hmac('sha256', "editor$n|$expires|$token", KEY));
    };
    emit(['kind' => 'wordpress-logged-in', 'made_by' => $by, 'name' => "wordpress_logged_in_$site", 'member' => 'wordpress_logged_in', 'values' => several($cookie), 'carriers' => ['cookie'], 'noun' => 'login cookie', 'named' => 12, 'beside' => [["wordpress_sec_$site", $cookie(0)]]]);
    emit(['kind' => 'wordpress-nonce', 'made_by' => $by, 'name' => '_wpnonce', 'values' => several(static fn (): string => substr(bin2hex(random_bytes(16)), 0, 10)), 'carriers' => ['field'], 'noun' => 'nonce', 'named' => 7, 'unnamed' => 1]);
    emit(['kind' => 'wordpress-reset-key', 'made_by' => $by, 'name' => 'key', 'values' => ['unused'], 'carriers' => [], 'native' => several(static function (int $n): array {
        $key = substr(str_replace(['/', '+', '='], '', base64_encode(random_bytes(64))), 0, 20);
        $url = "/wp-login.php?action=rp&key=$key&login=editor$n";
        return [
            ['context' => 'link-query-log', 'text' => "203.0.113.$n - - [02/Mar/2026:08:00:00 +0000] \"GET $url HTTP/1.1\" 302 0 \"-\" \"Mozilla/5.0\"", 'secrets' => [$key], 'cue' => 'weak'],
            ['context' => 'link-query-mail', 'text' => "To reset your password, visit the following address:\r\n\r\nhttps://www.example.com$url\r\n", 'secrets' => [$key], 'cue' => 'weak'],
        ][$n % 2];
    }, 6)]);
}

sessions();
laravel();
symfony();
wordpress();
