const { chromium } = require('playwright-core');
(async () => {
  const browser = await chromium.launch({executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--headless','--no-sandbox','--disable-gpu','--disable-quic','--no-first-run','--disable-background-networking','--disable-component-update','--disable-sync']});
  const context = await browser.newContext({recordHar: {path: 'shop.har', content: 'embed'}, userAgent: 'Mozilla/5.0 (Test)'});
  const page = await context.newPage();
  await page.goto('http://127.0.0.1:8765/');
  await page.evaluate(() => window.ready);
  await page.evaluate(() => fetch('/api/me?page=3').then(r => r.text()));
  await context.storageState({path: 'storage-state.json'});
  await context.close();
  await browser.close();
})().catch(e => { console.error(e); process.exit(1); });
